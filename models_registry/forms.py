from django import forms
from django.core.exceptions import ValidationError

from models_registry.models import ModelVersion
from models_registry.services.registration import MAX_DESCRIPTION, MAX_TAGS


class VersionForm(forms.Form):
    """What people say of a version. Tags are lines such as `stage=candidate`."""

    description = forms.CharField(
        max_length=MAX_DESCRIPTION, required=False, widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"})
    )
    tags = forms.CharField(
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control font-monospace", "spellcheck": "false"}),
        help_text="One a line, as name=value",
    )

    @classmethod
    def of(cls, version: ModelVersion) -> "VersionForm":
        lines = "\n".join(f"{name}={value}" for name, value in version.tags.items())
        return cls(initial={"description": version.description, "tags": lines})

    def clean_tags(self) -> dict[str, str]:
        lines = [line.strip() for line in self.cleaned_data["tags"].splitlines() if line.strip()]
        if len(lines) > MAX_TAGS:
            raise ValidationError(f"There are at most {MAX_TAGS} tags.")
        pairs = [line.partition("=") for line in lines]
        if any(not name.strip() for name, _, _ in pairs):
            raise ValidationError("Each line starts with a name.")
        return {name.strip(): value.strip() for name, _, value in pairs}
