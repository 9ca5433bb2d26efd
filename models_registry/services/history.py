"""What served when. Called in the transaction of whatever changes it."""

from __future__ import annotations

from django.utils import timezone

from mlportal.access.models import User
from models_registry.models import Deployment, Revision, Served
from models_registry.status import DeploymentStatus

CLOSED = frozenset({DeploymentStatus.STOPPED, DeploymentStatus.FAILED})


def note_served(deployment: Deployment, why: str, *, by: User | None) -> None:
    """Close the rows of what serves no more, or has another share now, and open those of what does."""
    shares = shares_of(deployment)
    open_rows = {row.revision_id: row for row in deployment.served.filter(until=None)}
    now = timezone.now()
    for pk, row in open_rows.items():
        if pk is None or shares.get(pk) != row.share:
            Served.objects.filter(pk=row.pk).update(until=now)
    for pk, share in shares.items():
        if pk not in open_rows or open_rows[pk].share != share:
            version = Revision.objects.values_list("label", flat=True).get(pk=pk)
            deployment.served.create(revision_id=pk, version=version, share=share, since=now, why=why[:2000], actor=by)


def shares_of(deployment: Deployment) -> dict[int, int]:
    """{revision: percent} of those that answer; empty when nothing does."""
    if deployment.live_revision_id is None or deployment.status in CLOSED:
        return {}
    percent = deployment.candidate_percent if deployment.candidate_id is not None else 0
    shares = {deployment.live_revision_id: 100 - percent}
    if deployment.candidate_id is not None:
        shares[deployment.candidate_id] = percent
    return {pk: share for pk, share in shares.items() if share}


def who_asked(deployment: Deployment) -> User | None:
    """Of what the supervisor carries out: the last person who asked for anything."""
    event = deployment.events.exclude(actor=None).select_related("actor").first()
    return event.actor if event else None
