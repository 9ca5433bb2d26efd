from typing import Any

from django import forms
from django.conf import settings

from experiments.models import Experiment
from experiments.services.experiments import MAX_DESCRIPTION, MAX_TAGS
from mlportal.access.forms import styled
from mlportal.errors import PortalError

WHY_AS_OF = (
    "Packages are taken as they were on that day. Scripts written in 2020 often need it: they call np.float or np.str, "
    "which NumPy removed in 2023. Empty: the newest packages, or the day in the file's own “# as-of:” comment."
)


class EnvironmentForm(forms.Form):
    name = forms.CharField(
        max_length=255,
        required=False,
        help_text="Empty: the name in the file. A name that exists gets a new version.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "my-environment"}),
    )
    definition = forms.CharField(
        label="Conda YAML",
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 16,
                "class": "form-control font-monospace",
                "spellcheck": "false",
                "data-drop": "",
                "wrap": "off",
            }
        ),
    )
    as_of = forms.DateField(
        label="Resolve packages as of",
        required=False,
        help_text=WHY_AS_OF,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    build = forms.BooleanField(
        label="Build it right away",
        required=False,
        initial=True,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        styled(self)


class TargetChangeForm(forms.Form):
    slots = forms.IntegerField(initial=1, help_text="How many runs it takes at a time.")
    description = forms.CharField(max_length=500, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slots"].widget.attrs |= {"min": 1, "max": settings.COMPUTE_SLOTS}
        styled(self)

    def refuse(self, error: PortalError) -> None:
        """Show it at the field that it names."""
        field = error.details.get("field")
        self.add_error(field if field in self.fields else None, error.message)


class TargetForm(TargetChangeForm):
    field_order = ("name", "slots", "description")
    name = forms.CharField(
        max_length=63,
        help_text="2 to 63 letters, digits or hyphens. Scripts and the SDK name the target so.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "cpu-cluster"}),
    )


class ExperimentForm(forms.Form):
    """What people say of an experiment. Tags are lines such as `team=blue`."""

    description = forms.CharField(max_length=MAX_DESCRIPTION, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    tags = forms.CharField(
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control font-monospace", "spellcheck": "false"}),
        help_text="One a line, as name=value",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        styled(self)

    @classmethod
    def of(cls, experiment: Experiment) -> "ExperimentForm":
        tags = experiment.tags.items()
        lines = "\n".join(name if value is None else f"{name}={value}" for name, value in tags)
        return cls(initial={"description": experiment.description, "tags": lines})

    def clean_tags(self) -> dict[str, str | None]:
        lines = [line.strip() for line in self.cleaned_data["tags"].splitlines() if line.strip()]
        if len(lines) > MAX_TAGS:
            raise forms.ValidationError(f"There are at most {MAX_TAGS} tags.")
        pairs = [line.partition("=") for line in lines]
        if any(not name.strip() for name, _, _ in pairs):
            raise forms.ValidationError("Each line starts with a name.")
        return {name.strip(): value.strip() if equals else None for name, equals, value in pairs}
