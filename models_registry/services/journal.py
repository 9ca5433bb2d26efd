"""What a person asks of a deployment: one row of its history, and the next generation, in one step."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from mlportal.access.models import User
from mlportal.errors import StaleState
from models_registry.models import Deployment
from models_registry.status import DeploymentStatus


def note(deployment: Deployment, reason: str, *, by: User | None, **fields: Any) -> None:
    """Change what is wanted without a change of status; StaleState when somebody else asked for something first."""
    with transaction.atomic():
        same = Deployment.objects.filter(pk=deployment.pk, generation=deployment.generation, status=deployment.status)
        if not same.update(generation=F("generation") + 1, updated_at=timezone.now(), **fields):
            raise StaleState(f"The deployment {deployment.name} was changed by somebody else first; look again.")
        deployment.events.create(old=deployment.status, new=deployment.status, reason=reason[:2000], actor=by)
    deployment.refresh_from_db()


def ask(deployment: Deployment, new: DeploymentStatus, reason: str, *, by: User | None, **fields: Any) -> None:
    """Change what is wanted, and the status with it where it is another one."""
    if deployment.status == new:
        note(deployment, reason, by=by, **fields)
        return
    Deployment.objects.move(
        deployment,
        new,
        reason=reason,
        by=by,
        generation=F("generation") + 1,
        updated_at=timezone.now(),
        **fields,
    )
