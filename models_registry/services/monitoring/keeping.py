"""What was measured becomes rows; old rows are merged to longer pieces of time, and dropped in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from models_registry.models import Deployment, ServiceReplica
from models_registry.models.monitoring import ReplicaMeasure, ServiceMeasure, ServiceTotal
from models_registry.services.monitoring.adding import Counts
from models_registry.serving.measuring import PIECE_SECONDS, Piece
from models_registry.status import ReplicaState

MINUTE, HOUR = 60, 3600
AT_ONCE = 2000  # rows that one merge reads


@transaction.atomic
def keep_measures(pieces: Sequence[Piece]) -> None:
    """A row for each service and version of each piece, and all of it on top of the totals. What services that are gone
    have counted is dropped."""
    found = [
        (int(deployment), version, piece.start, Counts.of_cell(cell))
        for piece in pieces
        for (deployment, version), cell in piece.cells.items()
    ]
    there = _locked({deployment for deployment, *_ in found})
    found = [each for each in found if each[0] in there]
    ServiceMeasure.objects.bulk_create(
        ServiceMeasure(
            deployment_id=deployment, version=version, at=_moment(start), seconds=PIECE_SECONDS, **counts.columns()
        )
        for deployment, version, start, counts in found
    )
    more: dict[tuple[int, str], Counts] = defaultdict(Counts)
    for deployment, version, _, counts in found:
        more[deployment, version].add(counts)
    _add_to_totals(more)


def _locked(deployments: set[int]) -> set[int]:
    """Those that are still there. Their rows are locked: two processes that add to one total do it one after the other."""
    rows = Deployment.objects.filter(pk__in=deployments).order_by("pk").select_for_update()
    return set(rows.values_list("pk", flat=True))


def _add_to_totals(more: dict[tuple[int, str], Counts]) -> None:
    rows = ServiceTotal.objects.filter(deployment__in={deployment for deployment, _ in more})
    known = {(row.deployment_id, row.version): row for row in rows}
    for (deployment, version), counts in more.items():
        if row := known.get((deployment, version)):
            counts.add(row)
            ServiceTotal.objects.filter(pk=row.pk).update(**counts.columns(), updated_at=timezone.now())
        else:
            ServiceTotal.objects.create(
                deployment_id=deployment, version=version, updated_at=timezone.now(), **counts.columns()
            )


@dataclass(frozen=True)
class Replica:
    """A process of a service."""

    deployment: int
    version: str
    replica: str
    memory_bytes: int | None


def replicas_now() -> list[Replica]:
    """As the supervisor tells of them."""
    rows = ServiceReplica.objects.exclude(pid=None).exclude(state=ReplicaState.LEAVING)
    found = rows.values_list("deployment", "revision__label", "number", "memory_bytes")
    return [Replica(pk, label, str(number), memory) for pk, label, number, memory in found]


def measure_replicas() -> None:
    """A row for each replica whose memory is known."""
    start = _floor(timezone.now(), PIECE_SECONDS)
    ReplicaMeasure.objects.bulk_create(
        ReplicaMeasure(
            deployment_id=one.deployment,
            replica=one.replica,
            version=one.version,
            at=start,
            seconds=PIECE_SECONDS,
            memory_bytes=one.memory_bytes,
        )
        for one in replicas_now()
        if one.memory_bytes
    )


def tidy_measures(now: datetime | None = None) -> None:
    """Pieces become minutes, minutes become hours, and hours end, each after the time that its setting says."""
    now = now or timezone.now()
    for seconds, longer, after in (
        (PIECE_SECONDS, MINUTE, settings.MEASURES_FINE_SECONDS),
        (MINUTE, HOUR, settings.MEASURES_MINUTES_SECONDS),
    ):
        before = _floor(now - timedelta(seconds=after), longer)
        while _merge_services(seconds, longer, before) == AT_ONCE:
            pass
        while _merge_replicas(seconds, longer, before) == AT_ONCE:
            pass
    end = now - timedelta(seconds=settings.MEASURES_SECONDS)
    ServiceMeasure.objects.filter(at__lt=end).delete()
    ReplicaMeasure.objects.filter(at__lt=end).delete()
    ServiceTotal.objects.filter(updated_at__lt=end).delete()


@transaction.atomic
def _merge_services(seconds: int, longer: int, before: datetime) -> int:
    """How many rows were merged. A piece that is cut off by AT_ONCE becomes two rows, which readers add up."""
    rows = list(_oldest(ServiceMeasure, seconds, before))
    merged: dict[tuple[int, str, datetime], Counts] = defaultdict(Counts)
    for row in rows:
        merged[row.deployment_id, row.version, _floor(row.at, longer)].add(row)
    ServiceMeasure.objects.filter(pk__in=[row.pk for row in rows]).delete()
    ServiceMeasure.objects.bulk_create(
        ServiceMeasure(deployment_id=deployment, version=version, at=at, seconds=longer, **counts.columns())
        for (deployment, version, at), counts in merged.items()
    )
    return len(rows)


@transaction.atomic
def _merge_replicas(seconds: int, longer: int, before: datetime) -> int:
    rows = list(_oldest(ReplicaMeasure, seconds, before))
    merged: dict[tuple[int, str, str, datetime], int] = defaultdict(int)
    for row in rows:
        key = row.deployment_id, row.replica, row.version, _floor(row.at, longer)
        merged[key] = max(merged[key], row.memory_bytes)
    ReplicaMeasure.objects.filter(pk__in=[row.pk for row in rows]).delete()
    ReplicaMeasure.objects.bulk_create(
        ReplicaMeasure(deployment_id=pk, replica=replica, version=version, at=at, seconds=longer, memory_bytes=memory)
        for (pk, replica, version, at), memory in merged.items()
    )
    return len(rows)


def _oldest(model: Any, seconds: int, before: datetime) -> Any:
    """Locked, so that a second merge of the same time finds none of them."""
    rows = model.objects.filter(seconds=seconds, at__lt=before).order_by("at", "pk").select_for_update(skip_locked=True)
    return rows[:AT_ONCE]


def _floor(moment: datetime, seconds: int) -> datetime:
    return _moment(int(moment.timestamp()) // seconds * seconds)


def _moment(start: int) -> datetime:
    return datetime.fromtimestamp(start, UTC)
