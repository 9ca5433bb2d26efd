"""Deleting for good: one transaction that takes runs away from everybody, then rows and bytes in batches.

A kill anywhere leaves runs that are in the trash as before, or a Purge that has not ended, which beat takes up again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from experiments.models import Artifact, Experiment, LoggedModelFile, Purge, Run, Snapshot
from experiments.models.snapshots import SnapshotBlob
from experiments.querysets import RunQuerySet
from experiments.services import dispatch
from experiments.services.space import freed_bytes, left_alone
from experiments.services.trash import batches, blocked, deadlines, lock_experiments, trashed_experiments
from experiments.status import RUN_FINAL, RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.blobs import services as blobs
from mlportal.errors import Conflict, StaleState
from mlportal.processes import STOP

logger = logging.getLogger(__name__)
PURGE = "experiments.purge"
AT_ONCE = 20  # runs in a transaction, less where they have many rows: others write meanwhile
ROWS_AT_ONCE = 5000
AT_HAND_SECONDS = 2.0  # for a person who waits; a worker does the rest
STORED_AGAIN = timedelta(days=1)
LISTED = 100  # ids in a line of the audit trail

# What other apps keep of runs before they go; each is called in the transaction that deletes them.
BEFORE: list[Callable[[Sequence[int]], None]] = []

# What other apps have made of runs, and that stays when those go, as people call it.
MODELS: list[Callable[[RunQuerySet], list[str]]] = []


@dataclass(frozen=True)
class Plan:
    """What deleting for good would do."""

    runs: RunQuerySet
    experiments: list[Experiment]
    run_count: int
    freed_bytes: int
    staying: dict[int, Run]
    """What was asked for and cannot go, and which run is why."""


def plan_purge(
    workspace: Workspace, *, runs: Sequence[Run] = (), experiments: Sequence[Experiment] = (), everything: bool = False
) -> Plan:
    """Of runs and experiments in the trash, or of all of it. Children go with their parents."""
    inside = Run.objects.trashed().in_workspace(workspace)
    if everything:
        asked, experiments = inside, list(trashed_experiments(workspace))
    else:
        asked = inside.with_keys(run.pk for run in runs) | inside.filter(experiment__in=experiments)
    stuck = blocked(workspace)
    # Keys, and not one query in another: SQLite takes only so many.
    going = set(asked.with_descendants().trashed().values_list("pk", flat=True))
    staying = going & stuck.keys()
    if staying:
        going -= set(Run.objects.with_keys(staying).with_descendants().values_list("pk", flat=True))
    runs_going = Run.objects.trashed().with_keys(going)
    return Plan(
        runs=runs_going,
        experiments=list(experiments),
        run_count=len(going),
        freed_bytes=freed_bytes(runs_going),
        staying={pk: stuck[pk] for pk in sorted(staying)},
    )


def purge_runs(
    workspace: Workspace,
    *,
    runs: Sequence[Run] = (),
    experiments: Sequence[Experiment] = (),
    everything: bool = False,
    by: User,
) -> Purge:
    """Delete for good what is in the trash. From now on nobody sees it; a few runs are gone when this returns, the rest goes
    in the background.

    Models that were registered from them keep their files, their code and where they came from. Conflict `not_in_trash`,
    `not_ended` when nothing of it can go.
    """
    require(Role.OWNER, workspace, by)
    plan = plan_purge(workspace, runs=runs, experiments=experiments, everything=everything)
    if not plan.run_count and not plan.experiments:
        if plan.staying:
            raise Conflict(why_staying(next(iter(plan.staying.values()))), code="not_ended")
        raise Conflict("None of it is in the trash.", code="not_in_trash")
    purge = start_purge(workspace, plan, by=by)
    purge.refresh_from_db()
    return purge


def start_purge(workspace: Workspace, plan: Plan, *, by: User | None, why: str = "") -> Purge:
    """From the end of this transaction on nobody sees what goes."""
    with transaction.atomic():
        lock_experiments(set(plan.runs.values_list("experiment", flat=True)))
        going = list(plan.runs.filter(status__in=RUN_FINAL).values_list("pk", flat=True))
        purge = Purge.objects.create(
            workspace=workspace, by=by, why=why, run_count=len(going), expected_bytes=plan.freed_bytes
        )
        Run.objects.trashed().with_keys(going).update(purge=purge, revision=F("revision") + 1)
        named = list(Run.objects.filter(purge=purge).order_by("pk").values_list("uid", flat=True)[: LISTED + 1])
        Experiment.objects.filter(pk__in=[each.pk for each in plan.experiments]).exclude(deleted_at=None).update(
            purge=purge
        )
        record(
            "run.purge",
            by=by,
            workspace=workspace,
            subject=named[0] if len(going) == 1 else f"{len(going)} runs",
            runs=named[:LISTED],
            experiments=[experiment.name for experiment in plan.experiments],
            expected_bytes=plan.freed_bytes,
            why=why,
        )
        if by is not None:
            transaction.on_commit(partial(_begin, purge.pk), robust=True)
    return purge


def models_of(runs: RunQuerySet) -> list[str]:
    """What was registered from these runs, as name:version: it stays."""
    return sorted({name for tell in MODELS for name in tell(runs)})


def why_staying(run: Run) -> str:
    if run.deleted_at is None:
        return f"{run} is not in the trash, and its parent is; move it there, or restore the parent."
    return f"{run} has not ended; cancel it on its page first."


def carry_out(purge: Purge, *, seconds: float | None = None) -> bool:
    """Delete rows and bytes, batch by batch; whether nothing is left. `seconds`: stop after the batch that is longer."""
    started = time.monotonic()
    recent: dict[str, datetime] = {}  # a blob of today may be free only with the last of several runs that have it
    while not STOP.is_set():
        pks = _next_batch(purge)
        if not pks:
            _end(purge)
            return True
        began = time.monotonic()
        moments = _delete_rows(purge, pks)
        held = time.monotonic() - began
        day_ago = timezone.now() - STORED_AGAIN
        moments = {digest: max(at, recent.get(digest, at)) for digest, at in moments.items()}
        recent |= {digest: at for digest, at in moments.items() if at > day_ago}
        if freed := blobs.delete_those(moments):
            Purge.objects.filter(pk=purge.pk).update(freed_bytes=F("freed_bytes") + freed)
        if seconds is not None and time.monotonic() - started > seconds:
            break
        time.sleep(
            min(held, 0.2)
        )  # SQLite's writers look again every few milliseconds, and would seldom find their turn
    return False


def resume() -> None:
    """Take up what a kill, or a storage that was away, has left."""
    for purge in Purge.objects.filter(ended_at=None).order_by("pk"):
        carry_out(purge)


def expire() -> None:
    """Delete for good what has been in the trash for as long as the rules and MLPORTAL_TRASH say."""
    for workspace in Workspace.objects.all():
        _expire(workspace)


def _expire(workspace: Workspace) -> None:
    now, limits = timezone.now(), deadlines(workspace)

    def is_over(at: datetime | None, experiment: int) -> bool:
        due = limits.of(at, experiment)
        return due is not None and due <= now

    tops = Run.objects.trashed().in_workspace(workspace).tops()
    old = [pk for pk, at, place in tops.values_list("pk", "deleted_at", "experiment").iterator() if is_over(at, place)]
    places = [each for each in trashed_experiments(workspace) if is_over(each.deleted_at, each.pk)]
    for some in batches(old):
        _end_what_its_client_left(Run.objects.filter(pk__in=some).with_descendants().trashed())
    for some in batches(old) or ([[]] if places else []):
        runs = list(Run.objects.filter(pk__in=some))
        plan = plan_purge(workspace, runs=runs, experiments=places)
        places = []
        if plan.run_count or plan.experiments:
            carry_out(start_purge(workspace, plan, by=None, why="it was in the trash for as long as it stays there"))


def _end_what_its_client_left(runs: RunQuerySet) -> None:
    """A run in the trash takes nothing more, so that nobody else will ever end it."""
    for run in runs.active().filter(compute_target=None):
        try:
            Run.objects.move(run, RunStatus.CANCELED, reason="its client left it, and its time in the trash is over")
        except StaleState:
            continue


def _begin(pk: int) -> None:
    """At once if it is little; a worker does the rest. Called when what is deleted is out of sight."""
    purge = Purge.objects.get(pk=pk)
    artifacts = Artifact.objects.filter(run__purge=purge)[:ROWS_AT_ONCE].count()
    if artifacts == ROWS_AT_ONCE or not carry_out(purge, seconds=AT_HAND_SECONDS):
        dispatch.send(PURGE, queue=settings.CELERY_TASK_DEFAULT_QUEUE)


def _next_batch(purge: Purge) -> list[int]:
    """Children before their parents, which are older; fewer where they have many rows."""
    newest = Run.objects.filter(purge=purge).order_by("-pk").values_list("pk", flat=True)[:AT_ONCE]
    pks: list[int] = []
    rows = 0
    for pk in newest:
        rows += Artifact.objects.filter(run=pk).count() + Run(pk=pk).metrics.count()
        if pks and rows > ROWS_AT_ONCE:
            break
        pks.append(pk)
    return pks


def _delete_rows(purge: Purge, pks: Sequence[int]) -> dict[str, datetime]:
    """All rows of these runs, and the code that they alone had; the blobs that may be free now, and until when somebody who
    stores the same bytes would have been seen."""
    day_ago = timezone.now() - STORED_AGAIN
    with transaction.atomic():
        runs = Run.objects.filter(pk__in=pks, purge=purge)
        code = left_alone(Snapshot.objects.filter(pk__in=runs.values("snapshot")), runs)
        snapshots = dict(code.select_for_update().values_list("pk", "created_at"))
        files = Artifact.objects.filter(run__in=pks).order_by().values_list("blob").annotate(at=Max("created_at"))
        moments = {digest: max(at, day_ago) for digest, at in files}
        logged = LoggedModelFile.objects.filter(model__run__in=pks).order_by().values_list("blob")
        for digest, at in logged.annotate(at=Max("created_at")):
            moments[digest] = max(moments.get(digest, day_ago), at)
        for digest, snapshot in SnapshotBlob.objects.filter(snapshot__in=snapshots).values_list("blob", "snapshot"):
            moments[digest] = max(moments.get(digest, day_ago), snapshots[snapshot])
        places = list(runs.order_by().values_list("experiment", flat=True).distinct())
        for keep in BEFORE:
            keep(pks)
        Run.objects.filter(parent__in=pks).exclude(purge=purge).update(
            parent=None
        )  # none, but the cascade takes no risk
        runs.delete()
        Snapshot.objects.filter(pk__in=snapshots).delete()
        _delete_places(Experiment.objects.filter(pk__in=places, purge=purge))
    return moments


def _delete_places(experiments: QuerySet[Experiment]) -> None:
    """Those that went to the trash, and that no run came to since."""
    lock_experiments(set(experiments.values_list("pk", flat=True)))
    left = experiments.exclude(deleted_at=None).filter(runs=None).values_list("pk", flat=True)
    Experiment.objects.filter(pk__in=list(left)).delete()


def _end(purge: Purge) -> None:
    with transaction.atomic():
        _delete_places(Experiment.objects.filter(purge=purge))
        Experiment.objects.filter(purge=purge).update(purge=None)
        if Purge.objects.filter(pk=purge.pk, ended_at=None).update(ended_at=Now()):
            purge.refresh_from_db()
            record(
                "run.purged",
                by=purge.by,
                workspace=purge.workspace,
                subject=f"{purge.run_count} runs",
                freed_bytes=purge.freed_bytes,
                why=purge.why,
            )
