"""What was asked of a service, and what one may ask it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from models_registry.models import Deployment, RequestLog
from models_registry.services.schema import example_row


def example_request(deployment: Deployment) -> dict[str, Any] | None:
    """A body for `score` that it takes; None while nobody knows what it takes."""
    signature = deployment.signature or {}
    if isinstance(signature.get("sample"), dict):
        return dict(signature["sample"])  # of an entry script's decorators
    revision = deployment.live_revision or deployment.revision
    versions = revision.versions if signature and not revision.entry_script else []
    row = example_row(signature, versions[0].example if len(versions) == 1 else None)
    if row is None:
        return None
    return {"data": [row], "method": signature.get("default_method") or "predict"}


def recent_requests(deployment: Deployment) -> QuerySet[RequestLog]:
    """The last requests, newest first."""
    return deployment.requests.all()[: settings.SERVICE_REQUEST_LOG]


@transaction.atomic
def keep_requests(rows: Iterable[RequestLog]) -> None:
    """Add these to the logs of their services, and drop what is too old. Rows of services that are gone are dropped."""
    rows = list(rows)
    there = set(
        Deployment.objects.filter(pk__in={row.deployment_id for row in rows})
        .select_for_update()
        .values_list("pk", flat=True)
    )
    RequestLog.objects.bulk_create(row for row in rows if row.deployment_id in there)
    for pk in there:
        log = RequestLog.objects.filter(deployment=pk)
        for oldest in log.values_list("pk", flat=True)[settings.SERVICE_REQUEST_LOG :][:1]:
            log.filter(pk__lte=oldest).delete()
