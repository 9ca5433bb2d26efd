"""The trash: what is in it is listed nowhere, takes nothing more, and can be brought back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from experiments.models import Experiment, RetentionRule, Run
from experiments.querysets import RunQuerySet
from experiments.services.experiments import archive_experiment, restore_experiment
from experiments.services.space import freed_by_each
from experiments.status import RUN_FINAL
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import Conflict


def trash_run(run: Run, *, by: User, at: datetime | None = None) -> None:
    """Put it in the trash with its children: they are listed no more and take nothing more. Twice changes nothing.

    Conflict while the portal executes one of them: cancel it first.
    """
    trash_runs(run.workspace, [run], by=by, at=at)
    run.refresh_from_db()


@transaction.atomic
def trash_runs(workspace: Workspace, runs: Sequence[Run], *, by: User, at: datetime | None = None) -> int:
    """All of them, or none; how many went, children included. `at`: the one moment of several such calls, by which
    `undo_trash` brings back all of them."""
    require(Role.CONTRIBUTOR, workspace, by)
    lock_experiments({run.experiment_id for run in runs})
    family = lock_family(Run.objects.in_workspace(workspace).with_keys(run.pk for run in runs))
    executed = family.active().filter(compute_target__isnull=False).first()
    if executed is not None:
        said = "this run" if [run.pk for run in runs] == [executed.pk] else str(executed)
        raise Conflict(f"The portal executes {said}; cancel it first.", status=executed.status, run=executed.uid)
    fresh = set(Run.objects.kept().with_keys(run.pk for run in runs).values_list("pk", flat=True))
    count = family.update(deleted_at=at or timezone.now(), deleted_by=by, deleted_why="", revision=F("revision") + 1)
    for run in runs:
        if run.pk in fresh:
            record("run.trash", by=by, workspace=workspace, subject=run.uid)
    return count


def untrash_run(run: Run, *, by: User) -> None:
    restore_runs(run.workspace, [run], by=by)
    run.refresh_from_db()


@transaction.atomic
def restore_runs(workspace: Workspace, runs: Sequence[Run], *, by: User) -> int:
    """Bring them back, with the children that went with them, and with the parents that they would be lost without.

    How many came back. Conflict for one that is deleted for good.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    asked = Run.objects.in_workspace(workspace).filter(pk__in=[run.pk for run in runs])
    lock_experiments(_places(asked))
    if asked.exclude(purge=None).exists():
        raise Conflict("A run that is deleted for good cannot be brought back.", code="purged")
    for uid in asked.trashed().values_list("uid", flat=True):
        record("run.untrash", by=by, workspace=workspace, subject=uid)
    return bring_back(asked.trashed())


def undo_trash(workspace: Workspace, at: datetime, *, by: User) -> int:
    """Bring back what this person put in the trash at that moment, as far as it is still there; how many came back."""
    went = Run.objects.visible_to(by, workspace).trashed().filter(deleted_at=at, deleted_by=by)
    return restore_runs(workspace, list(went), by=by)


@transaction.atomic
def restore(workspace: Workspace, *, runs: Sequence[Run] = (), experiments: Sequence[Experiment] = (), by: User) -> int:
    """Both kinds at once; how many runs came back."""
    count = restore_runs(workspace, runs, by=by)
    for experiment in experiments:
        before = Run.objects.kept().filter(experiment=experiment).count()
        untrash_experiment(experiment, by=by)
        count += Run.objects.kept().filter(experiment=experiment).count() - before
    return count


def bring_back(runs: RunQuerySet) -> int:
    """These, the children that went with them, their parents, and the experiments that all of them are in, which are locked."""
    moments = set(runs.values_list("deleted_at", flat=True))
    children = runs.with_descendants().trashed().filter(deleted_at__in=moments).values_list("pk", flat=True)
    parents = runs.with_ancestors().trashed().values_list("pk", flat=True)
    places = _places(runs)
    coming = {*children, *parents}
    Run.objects.with_keys(coming).update(deleted_at=None, deleted_by=None, deleted_why="", revision=F("revision") + 1)
    Experiment.objects.filter(pk__in=places).exclude(deleted_at=None).update(
        archived_at=None, deleted_at=None, deleted_by=None, updated_at=Now()
    )
    return len(coming)


@transaction.atomic
def trash_experiment(experiment: Experiment, *, by: User) -> None:
    """Archive it and put its runs in the trash, as MLflow's clients mean it when they delete one.

    Conflict while the portal executes one of them.
    """
    archive_experiment(experiment, by=by)
    lock_experiments({experiment.pk})
    _trash_runs_of(experiment, by)
    now = timezone.now()
    Experiment.objects.filter(pk=experiment.pk, deleted_at=None).update(deleted_at=now, deleted_by=by)
    experiment.refresh_from_db()


@transaction.atomic
def trash_runs_of(experiment: Experiment, *, by: User) -> None:
    """Put all of its runs in the trash; it stays."""
    require(Role.CONTRIBUTOR, experiment.workspace, by)
    lock_experiments({experiment.pk})
    _trash_runs_of(experiment, by)


def _trash_runs_of(experiment: Experiment, by: User) -> None:
    # With the children that are in other experiments: a run that is kept has no parent in the trash.
    family = lock_family(Run.objects.filter(experiment=experiment))
    if going_on := family.active().filter(compute_target__isnull=False).count():
        said = "one of its runs" if going_on == 1 else f"{going_on} of its runs"
        raise Conflict(f"The portal executes {said}; cancel them first.")
    family.update(deleted_at=timezone.now(), deleted_by=by, deleted_why="", revision=F("revision") + 1)


@transaction.atomic
def untrash_experiment(experiment: Experiment, *, by: User) -> None:
    """Bring it back with all of its runs."""
    runs = Run.objects.trashed().filter(experiment=experiment)
    lock_experiments({experiment.pk, *_places(runs)})
    restore_experiment(experiment, by=by)
    bring_back(runs)


class Deadline(NamedTuple):
    """After how many days in the trash a run goes; None: never."""

    workspace: float | None
    experiments: dict[int, float | None]

    def days(self, experiment_id: int) -> float | None:
        return self.experiments.get(experiment_id, self.workspace)

    def of(self, deleted_at: datetime | None, experiment_id: int) -> datetime | None:
        days = self.days(experiment_id)
        if days is None or deleted_at is None:
            return None
        try:
            return deleted_at + timedelta(days=days)
        except OverflowError:  # beyond the year 9999
            return None


def deadlines(workspace: Workspace) -> Deadline:
    """As the portal's setting and the rules that are on say."""
    whole: float | None = settings.TRASH_SECONDS / 86_400 or None
    own: dict[int, float | None] = {}
    rules = RetentionRule.objects.filter(workspace=workspace, enabled=True, purge_days__isnull=False)
    for place, days in rules.values_list("experiment", "purge_days"):
        if place is None:
            whole = days or None
        else:
            own[place] = days or None
    return Deadline(whole, own)


def trashed_runs(workspace: Workspace) -> RunQuerySet:
    """What a person may bring back run by run; those of an experiment in the trash come back with it."""
    return Run.objects.trashed().in_workspace(workspace).tops().filter(experiment__deleted_at=None)


def trashed_experiments(workspace: Workspace) -> QuerySet[Experiment]:
    """Each with `trashed_count`, its runs in the trash."""
    there = Experiment.objects.in_workspace(workspace).filter(purge=None).exclude(deleted_at=None)
    in_trash = Count("runs", filter=Q(runs__deleted_at__isnull=False, runs__purge=None))
    return there.annotate(trashed_count=in_trash).select_related("workspace", "deleted_by").order_by("-deleted_at")


def tell_trashed(workspace: Workspace, runs: Sequence[Run]) -> None:
    """Give each of these topmost runs `trashed_children`, `freed_bytes` and `purge_at`. One look for all of them."""
    members: dict[int, list[int]] = {run.pk: [run.pk] for run in runs}
    family = Run.objects.filter(pk__in=list(members)).with_descendants().trashed()
    top: dict[int, int] = {pk: pk for pk in members}
    for pk, parent in family.order_by("pk").values_list("pk", "parent"):  # parents are older than their children
        if pk not in top and parent in top:
            top[pk] = top[parent]
            members[top[pk]].append(pk)
    freed, limits = freed_by_each(members), deadlines(workspace)
    for run in runs:
        told: Any = run
        told.trashed_children = len(members[run.pk]) - 1
        told.freed_bytes = freed[run.pk]
        told.purge_at = limits.of(run.deleted_at, run.experiment_id)


def told_experiments(workspace: Workspace) -> list[Experiment]:
    """Those in the trash, each with `trashed_count` and `purge_at`."""
    limits, found = deadlines(workspace), list(trashed_experiments(workspace))
    for experiment in found:
        told: Any = experiment
        told.purge_at = limits.of(experiment.deleted_at, experiment.pk)
    return found


def blocked(workspace: Workspace) -> dict[int, Run]:
    """What cannot be deleted for good, by its key, and which run is why: it, or a child of it, has not ended or is not in the
    trash itself."""
    inside = Run.objects.trashed().in_workspace(workspace).exclude(status__in=RUN_FINAL)
    left_behind = Run.objects.kept().in_workspace(workspace).filter(parent__deleted_at__isnull=False)
    reasons = {run.pk: run for run in (inside | left_behind).select_related("experiment", "workspace")}
    if not reasons:
        return {}
    above = Run.objects.with_keys(reasons).with_ancestors()
    parents = dict(above.values_list("pk", "parent_id"))
    found: dict[int, Run] = {}
    for key, run in reasons.items():
        at: int | None = key
        while at is not None and at not in found:
            found[at] = run
            at = parents.get(at)
    return found


def _places(runs: RunQuerySet) -> set[int]:
    """The experiments of these runs and of their parents."""
    return set(runs.with_ancestors().values_list("experiment", flat=True))


def lock_family(runs: RunQuerySet) -> RunQuerySet:
    """Those of them that are kept, with their descendants. Their rows are locked: no child comes to one of them."""
    locked: set[int] = set()
    while fresh := set(runs.with_descendants().kept().values_list("pk", flat=True)) - locked:
        rows = Run.objects.with_keys(fresh).select_for_update(of=("self",)).order_by("pk")
        list(rows.values_list("pk", flat=True))
        locked |= fresh
    return Run.objects.kept().with_keys(locked)


def lock_experiments(pks: set[int]) -> None:
    """Until the transaction ends no run is started in these, so no child comes to a parent that goes."""
    list(Experiment.objects.select_for_update().filter(pk__in=pks).order_by("pk").values_list("pk", flat=True))


def batches(pks: Sequence[int], size: int = 500) -> list[Sequence[int]]:
    return [pks[start : start + size] for start in range(0, len(pks), size)]
