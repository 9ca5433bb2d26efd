from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from models_registry.models import Deployment, ModelVersion, RegisteredModel
from models_registry.services.checks import MAX_DESCRIPTION, MAX_TAGS


class TagLines(forms.CharField):
    """Tags as lines such as `stage=candidate`."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3, "class": "form-control font-monospace", "spellcheck": "false"})
        super().__init__(
            required=False, max_length=100_000, widget=widget, help_text="One a line, as name=value", **kwargs
        )

    def clean(self, value: Any) -> Any:
        lines = [line.strip() for line in super().clean(value).splitlines() if line.strip()]
        if len(lines) > MAX_TAGS:
            raise ValidationError(f"There are at most {MAX_TAGS} tags.")
        pairs = [line.partition("=") for line in lines]
        if any(not name.strip() for name, _, _ in pairs):
            raise ValidationError("Each line starts with a name.")
        return {name.strip(): value.strip() for name, _, value in pairs}


def lines_of(tags: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in tags.items())


class ModelForm(forms.Form):
    """What people say of a model as a whole."""

    name = forms.CharField(max_length=255, widget=forms.TextInput(attrs={"class": "form-control"}))
    description = forms.CharField(
        max_length=MAX_DESCRIPTION, required=False, widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"})
    )
    tags = TagLines()

    @classmethod
    def of(cls, model: RegisteredModel) -> "ModelForm":
        said = {"name": model.name, "description": model.description, "tags": lines_of(model.tags)}
        return cls(initial=said, prefix=None)


class VersionForm(forms.Form):
    """What people say of a version."""

    description = forms.CharField(
        max_length=MAX_DESCRIPTION, required=False, widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"})
    )
    tags = TagLines()

    @classmethod
    def of(cls, version: ModelVersion) -> "VersionForm":
        return cls(initial={"description": version.description, "tags": lines_of(version.tags)})


class ScalingForm(forms.Form):
    """How many replicas; the service judges, and its words are shown."""

    min_replicas = forms.IntegerField(
        min_value=1, label="At least", widget=forms.NumberInput(attrs={"class": "form-control", "min": 1})
    )
    max_replicas = forms.IntegerField(
        min_value=1,
        label="At most",
        help_text="The same number: always so many. A larger one: more while many requests come at once.",
        widget=forms.NumberInput(attrs={"class": "form-control", "min": 1}),
    )
    autoscale_target_utilization = forms.IntegerField(
        min_value=1,
        label="Another one when each is busy for more than (%)",
        help_text="70 means 0.7 requests at once for each replica.",
        widget=forms.NumberInput(attrs={"class": "form-control", "min": 1}),
    )

    @classmethod
    def of(cls, deployment: Deployment) -> "ScalingForm":
        return cls(
            initial={
                "min_replicas": deployment.min_replicas,
                "max_replicas": deployment.max_replicas,
                "autoscale_target_utilization": deployment.target_utilization,
            }
        )


class ServiceForm(forms.Form):
    """What people say of a service, and who may call it."""

    description = forms.CharField(
        max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "form-control"})
    )
    tags = TagLines()
    is_open = forms.BooleanField(
        required=False,
        label="Answer without a key",
        help_text="Whoever reaches the portal may then call it.",
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    @classmethod
    def of(cls, deployment: Deployment) -> "ServiceForm":
        return cls(
            initial={
                "description": deployment.description,
                "tags": lines_of(deployment.tags),
                "is_open": not deployment.auth_enabled,
            }
        )

    def said(self) -> dict[str, Any]:
        """As the services take it."""
        data = self.cleaned_data
        return {"description": data["description"], "tags": data["tags"], "auth_enabled": not data["is_open"]}
