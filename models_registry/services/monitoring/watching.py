"""How a service is watched, as people ask for it."""

from __future__ import annotations

import math
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction

from mlportal.access.models import User
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput
from models_registry.models import Deployment, Watch

RANGES: dict[str, tuple[float, float]] = {
    "sample_percent": (0, 100),
    "psi_warning": (0, 100),
    "psi_alarm": (0, 100),
    "significance": (0, 1),
    "least_rows": (10, 1_000_000),
}
WHOLE = ("sample_rows", "least_rows")


def watch_of(deployment: Deployment) -> Watch:
    """The row, or one that is not stored, with the defaults."""
    try:
        return deployment.watch
    except ObjectDoesNotExist:
        return Watch(deployment=deployment)


@transaction.atomic
def set_watch(deployment: Deployment, *, by: User, **wishes: Any) -> Watch:
    """Change what is given of `Watch`. BadInput names the field and its range."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    watch = Watch.objects.filter(deployment=deployment).first() or Watch()
    watch.deployment = deployment  # so that it knows of its row, too
    for name, value in wishes.items():
        low, high = RANGES.get(name) or (1, settings.SAMPLED_ROWS)
        if not math.isfinite(value) or not low <= value <= high:
            limit = " (MLPORTAL_SAMPLED_ROWS)" if name == "sample_rows" else ""
            raise BadInput(f"{name} is from {low:,g} to {high:,.0f}{limit}.", field=name)
        setattr(watch, name, int(value) if name in WHOLE else value)
    if watch.psi_warning > watch.psi_alarm:
        raise BadInput("The PSI that warns is not above the one that alarms.", field="psi_warning")
    watch.save()
    record("deployment.watch", by=by, workspace=deployment.workspace, subject=deployment, **wishes)
    return watch


@transaction.atomic
def forget_samples(deployment: Deployment, *, by: User) -> int:
    """Delete the rows that are kept, with their actual values and what was compared. How many requests they were of."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    count = deployment.samples.count()
    deployment.samples.all().delete()
    deployment.drift_reports.all().delete()
    record("deployment.forget_samples", by=by, workspace=deployment.workspace, subject=deployment, requests=count)
    return count
