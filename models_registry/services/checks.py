"""What people say of models and services, checked alike for both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from experiments.models import Run
from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.errors import BadInput, NotAllowed
from mlportal.texts import storable
from models_registry.models import ModelVersion
from models_registry.models.registry import model_name

MAX_TAGS = 100
MAX_DESCRIPTION = 5000
MAX_NAME_BYTES = 255  # a model's files are in a folder that is called so


def require_changer(version: ModelVersion, by: User | RunPrincipal) -> None:
    """A contributor; or a running script, of what came out of its own runs."""
    if not isinstance(by, RunPrincipal):
        require(Role.CONTRIBUTOR, version.model.workspace, by)
    elif version.run_id is None or not Run.objects.visible_to(by).filter(pk=version.run_id).exists():
        raise NotAllowed("A run's token changes the versions that were registered from that run and its children.")


def named(name: str) -> str:
    """The name of a model. BadInput: blanks around it are not taken away, for whoever gave it asks for it so again."""
    try:
        model_name(name)
    except ValidationError as error:
        raise BadInput(f"{name[:255]!r} cannot name a model: {error.message}", field="name") from None
    if len(name.encode(errors="replace")) > MAX_NAME_BYTES or storable(name) != name:
        raise BadInput(f"{name[:255]!r} cannot name a model: it has over {MAX_NAME_BYTES} bytes.", field="name")
    return name


def described(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise BadInput(f"A description has at most {MAX_DESCRIPTION} characters.", field="description")
    return str(storable(text.strip()))


def amount(value: float | None, field: str) -> float | None:
    if value is not None and not (math.isfinite(value) and 0 < value <= 10_000):
        raise BadInput(f"{field} is a number above 0.", field=field)
    return value


def pairs(values: Mapping[str, Any], field: str) -> dict[str, str]:
    if len(values) > MAX_TAGS:
        raise BadInput(f"There are at most {MAX_TAGS} {field}.", field=field)
    for key in values:
        if not key or len(key) > 250:
            raise BadInput(f"A name among the {field} has 1 to 250 characters.", field=field)
    return {str(storable(key)): str(storable(str(value)))[:5000] for key, value in values.items()}
