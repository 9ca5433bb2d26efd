"""What a candidate answered to copies of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import F

from models_registry.models import Deployment, Disagreement, MirrorCount

COLUMNS = ("same", "different", "failed", "dropped")


@transaction.atomic
def keep_mirrored(deployment: int, revision: int, counts: Mapping[str, int], rows: Sequence[Disagreement]) -> None:
    """Add to the counts, and keep the newest disagreements. What is not the service's candidate any more is dropped."""
    there = Deployment.objects.filter(pk=deployment, candidate=revision).select_for_update().first()
    if there is None:
        return
    MirrorCount.objects.get_or_create(deployment=there, revision_id=revision)
    added = {name: F(name) + counts.get(name, 0) for name in COLUMNS}
    MirrorCount.objects.filter(deployment=there, revision=revision).update(**added)
    Disagreement.objects.bulk_create(rows)
    log = Disagreement.objects.filter(deployment=there)
    for oldest in log.values_list("pk", flat=True)[settings.SERVICE_DISAGREEMENTS :][:1]:
        log.filter(pk__lte=oldest).delete()
