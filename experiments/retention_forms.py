from typing import Any

from django import forms
from django.conf import settings

from experiments.models import RetentionRule
from experiments.models.retention import KEEP_TAG, Direction
from experiments.services.retention import MOST_DAYS, MOST_KEPT, MOST_TEXT
from mlportal.access.forms import styled
from mlportal.errors import PortalError

FIELDS = ("enabled", "older_than_days", "keep_best", "metric", "direction", "keep_tag", "purge_days")


def _number(label: str, help_text: str, least: int, most: int) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=least, max_value=most, help_text=help_text)


class RuleForm(forms.Form):
    experiment = forms.CharField(
        max_length=500,
        required=False,
        help_text="Empty: the whole workspace. An experiment's own rule stands in for that of the workspace.",
        widget=forms.TextInput(attrs={"list": "experiments", "autocomplete": "off"}),
    )
    older_than_days = _number("Days since the end", "Younger runs stay. Empty: of any age.", 0, MOST_DAYS)
    keep_best = _number("Keep the best", "So many runs of each experiment stay. Empty: none.", 1, MOST_KEPT)
    metric = forms.CharField(
        max_length=MOST_TEXT,
        required=False,
        help_text="Its last value says which runs are the best. Where nobody has logged it, every run stays.",
        widget=forms.TextInput(attrs={"list": "metrics", "autocomplete": "off", "spellcheck": "false"}),
    )
    direction = forms.ChoiceField(
        label="Better is",
        choices=[("", "as its name says"), *Direction.choices],
        required=False,
        help_text="Of a loss, an error or a time the lowest is the best, of all others the highest.",
    )
    keep_tag = forms.CharField(
        label="Keep runs with the tag",
        max_length=MOST_TEXT,
        required=False,
        initial=KEEP_TAG,
        help_text="And their children. Registered models keep their runs, and kept children their parents, in any case.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    purge_days = _number(
        "Days in the trash",
        "While the rule is on, all that is in the trash there is deleted for good then. 0: never.",
        0,
        MOST_DAYS,
    )
    enabled = forms.BooleanField(
        label="On",
        required=False,
        help_text="It is applied once an hour.",
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        portal = f"{settings.TRASH_SECONDS / 86_400:g} days" if settings.TRASH_SECONDS else "never"
        self.fields["purge_days"].help_text += f" Empty: as everywhere, {portal} (MLPORTAL_TRASH)."
        styled(self)

    @staticmethod
    def of(rule: RetentionRule) -> dict[str, Any]:
        return {name: getattr(rule, name) for name in FIELDS}

    def refuse(self, error: PortalError) -> None:
        """The refusal beside its field, or above the form."""
        field = error.details.get("field")
        if field not in self.fields:
            return self.add_error(None, error.message)
        self.add_error(field, error.message)
        self.fields[field].widget.attrs["class"] += " is-invalid"
