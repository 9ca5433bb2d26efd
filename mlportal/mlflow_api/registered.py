"""The registered model that a call names, and what is said of it."""

from __future__ import annotations

from django.db.models import QuerySet

from mlportal.mlflow_api import names
from mlportal.mlflow_api.call import Call
from mlportal.mlflow_api.errors import not_there
from models_registry.models import RegisteredModel


def find(call: Call) -> RegisteredModel:
    name = call.text("name")
    found = models_of(call).filter(name=name).first()
    if found is None:
        raise not_there(f"Registered Model with name={name[:255]} not found")
    return found


def models_of(call: Call) -> QuerySet[RegisteredModel]:
    models = RegisteredModel.objects.visible_to(call.by, call.workspace)
    return models.select_related("workspace")


def tags_of(call: Call) -> dict[str, str]:
    """Those that a new model or version comes with."""
    return {
        names.key(tag.get("key"), "tags.key"): names.value(tag.get("value"), "tags.value", names.MAX_REGISTRY_TAG)
        for tag in call.objects("tags")
    }


def tag_of(call: Call) -> dict[str, str]:
    """The one that is to be set."""
    return {names.key(call.one("key"), "key"): names.value(call.one("value"), "value", names.MAX_REGISTRY_TAG)}
