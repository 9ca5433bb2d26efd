"""Rules that move finished runs to the trash by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from experiments.metrics import Goal, goal_of
from experiments.models import Experiment, Metric, RetentionRule, Run, Tag
from experiments.models.retention import Direction
from experiments.querysets import RunQuerySet
from experiments.services.space import freed_bytes
from experiments.services.trash import batches
from experiments.status import RUN_FINAL
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from mlportal.texts import storable

MOST_DAYS = 36_500
MOST_KEPT = 1_000_000
MOST_TEXT = 250
AT_ONCE = 200  # runs in a transaction

# Runs that stay whatever a rule says. Other apps add theirs: this one knows none of them.
KEPT: list[Callable[[], QuerySet[Any]]] = []


class Wish(TypedDict, total=False):
    """What a rule says."""

    enabled: bool
    older_than_days: int | None
    keep_best: int | None
    metric: str
    direction: str
    keep_tag: str
    purge_days: int | None


@dataclass(frozen=True)
class Preview:
    """What a rule would do now."""

    runs: list[int]
    """The keys of what it would move; each of them is moved by itself, children before parents."""
    freed_bytes: int
    looked_at: int
    kept: dict[str, int]
    """How many of the finished runs stay, and why: young, best, tagged, registered, related."""
    notes: list[str]


@transaction.atomic
def set_rule(
    workspace: Workspace, *, experiment: Experiment | None = None, by: User, **wish: Unpack[Wish]
) -> RetentionRule:
    """Make the rule of the workspace, or of the experiment; Conflict `exists` when there is one."""
    require(Role.OWNER, workspace, by)
    if experiment is not None and experiment.workspace_id != workspace.pk:
        raise BadInput("The experiment belongs to another workspace.", field="experiment")
    there = f"There is a rule of {experiment or 'the whole workspace'} already; change that one."
    if RetentionRule.objects.filter(workspace=workspace, experiment=experiment).exists():
        raise Conflict(there, code="exists", field="experiment")
    rule = clean_rule(RetentionRule(workspace=workspace, experiment=experiment, created_by=by), **wish)
    try:
        with transaction.atomic():
            rule.save()
    except IntegrityError:  # somebody else was faster
        raise Conflict(there, code="exists", field="experiment") from None
    _record("retention.create", rule, by)
    return rule


@transaction.atomic
def update_rule(rule: RetentionRule, *, by: User, **wish: Unpack[Wish]) -> RetentionRule:
    """What is left out stays."""
    require(Role.OWNER, rule.workspace, by)
    rule = RetentionRule.objects.select_for_update(of=("self",)).get(pk=rule.pk)
    clean_rule(rule, **wish)
    rule.updated_at = timezone.now()
    rule.save(update_fields=[*wish, "updated_at"])
    _record("retention.update", rule, by)
    return rule


@transaction.atomic
def delete_rule(rule: RetentionRule, *, by: User) -> None:
    """What it has moved stays in the trash."""
    require(Role.OWNER, rule.workspace, by)
    record("retention.delete", by=by, workspace=rule.workspace, subject=rule)
    rule.delete()


def clean_rule(rule: RetentionRule, **wish: Unpack[Wish]) -> RetentionRule:
    """The rule with what is wished, not saved; which end of a metric is better is told from its name, unless that is said.
    BadInput names the field."""
    for field, value in wish.items():
        setattr(rule, field, value)
    if wish.get("direction") == "" or (rule.pk is None and "direction" not in wish):
        rule.direction = Direction.MIN if goal_of(rule.metric) is Goal.LOWER else Direction.MAX
    for field, least, most in (
        ("older_than_days", 0, MOST_DAYS),
        ("keep_best", 1, MOST_KEPT),
        ("purge_days", 0, MOST_DAYS),
    ):
        number = getattr(rule, field)
        if number is not None and not least <= number <= most:
            raise BadInput(f"This is a whole number from {least} to {most}.", field=field, limit=most)
    for field in ("metric", "keep_tag"):
        text = getattr(rule, field)
        if storable(text) != text or len(text) > MOST_TEXT:
            raise BadInput(f"A name has at most {MOST_TEXT} characters, and none that no text may have.", field=field)
    if rule.direction not in Direction.values:
        raise BadInput(f"Better is one of {', '.join(Direction.values)}.", field="direction")
    if rule.keep_best is not None and not rule.metric:
        raise BadInput("Name the metric that says which runs are the best.", field="metric")
    if not rule.moves_runs and rule.purge_days is None:
        raise BadInput("Say for how long runs stay, how many of the best, or for how long the trash keeps them.")
    return rule


def preview(rule: RetentionRule) -> Preview:
    """What it would move to the trash now, and how many bytes nothing else refers to."""
    choice = _choose(rule)
    return Preview(
        runs=choice.moving,
        freed_bytes=_freed(rule, choice.moving),
        looked_at=choice.looked_at,
        kept=choice.kept,
        notes=choice.notes,
    )


def apply_rule(rule: RetentionRule, *, by: User | None = None) -> int:
    """Move what it says to the trash, batch by batch; how many runs it was. A kill leaves whole trees on both sides."""
    if by is not None:
        require(Role.OWNER, rule.workspace, by)
    now = timezone.now()
    # Newest first: children go before their parents, so that no run is left below one in the trash.
    moved = sum(_move(rule, some, now) for some in batches(_choose(rule).moving, AT_ONCE))
    with transaction.atomic():
        RetentionRule.objects.filter(pk=rule.pk).update(applied_at=now, applied_runs=moved)
        if moved or by is not None:
            record("retention.apply", by=by, workspace=rule.workspace, subject=rule, runs=moved, rule=as_words(rule))
    return moved


def apply_all() -> None:
    """Every rule that is on."""
    on = RetentionRule.objects.filter(enabled=True).select_related("workspace", "experiment")
    for rule in on:
        if rule.moves_runs:
            apply_rule(rule)


def as_words(rule: RetentionRule) -> str:
    """What it does, in a sentence."""
    said = "Moves nothing to the trash"
    if rule.moves_runs:
        days = rule.older_than_days
        age = f"that ended more than {days} day{'s' if days != 1 else ''} ago" if days is not None else "of any age"
        said = f"Finished runs {age} go to the trash"
        if rule.keep_best is not None:
            said += f", but for the {rule.keep_best} with the {Direction(rule.direction).label} {rule.metric}"
            said += " of each experiment" if rule.experiment_id is None else ""
    if rule.purge_days is not None:
        days = rule.purge_days
        said += "; the trash keeps runs " + (f"{days} day{'s' if days != 1 else ''}" if days else "for ever")
    return f"{said}."


@dataclass(frozen=True)
class _Choice:
    moving: list[int]
    looked_at: int
    kept: dict[str, int]
    notes: list[str]


def _choose(rule: RetentionRule) -> _Choice:
    """Newest first. A run goes only with all its descendants; those that are in the trash already do not count."""
    scope = _scope(rule)
    rows = list(scope.order_by().values_list("pk", "experiment", "status", "ended_at"))
    finished = {pk for pk, _, status, _ in rows if status in RUN_FINAL}
    kept: dict[str, int] = {}
    going = set(finished) if rule.moves_runs else set()

    def keep(why: str, pks: Iterable[int]) -> None:
        staying = going.intersection(pks)
        kept[why] = len(staying)
        going.difference_update(staying)

    if rule.older_than_days is not None:
        oldest = timezone.now() - timedelta(days=rule.older_than_days)
        keep("young", (pk for pk, _, _, ended in rows if ended is None or ended > oldest))
    notes: list[str] = []
    if rule.keep_best is not None:
        best, unmeasured = _best(
            rule, scope.filter(status__in=RUN_FINAL), {pk: place for pk, place, _, _ in rows if pk in finished}
        )
        keep("best", best)
        if unmeasured:
            names = sorted(Experiment.objects.filter(pk__in=unmeasured).values_list("name", flat=True))
            notes.append(
                f"No finished run has logged {rule.metric} in {', '.join(names[:5])}"
                f"{f' and {len(names) - 5} more' if len(names) > 5 else ''}; nothing goes there."
            )
    keep("tagged", _tagged(rule))
    for rows_of in KEPT:
        keep("registered", rows_of().values_list("run", flat=True))
    keep("related", _above_what_stays(going))
    return _Choice(sorted(going, reverse=True), len(finished), {why: n for why, n in kept.items() if n}, notes)


def _scope(rule: RetentionRule) -> RunQuerySet:
    runs = Run.objects.kept().filter(workspace=rule.workspace_id)
    if rule.experiment_id is not None:
        return runs.filter(experiment=rule.experiment_id)
    own = RetentionRule.objects.filter(workspace=rule.workspace_id, enabled=True).exclude(experiment=None)
    return runs.exclude(experiment__in=own.values("experiment"))


def _best(rule: RetentionRule, finished: RunQuerySet, places: dict[int, int]) -> tuple[set[int], set[int]]:
    """The best of each experiment by the metric's last value, and the experiments in which nobody has logged it, with all
    of their runs kept: a misspelt name deletes nothing."""
    assert rule.keep_best is not None
    last = Metric.objects.filter(run=OuterRef("pk"), name=rule.metric).values("last")[:1]
    value = F("value").desc() if rule.direction == Direction.MAX else F("value").asc()
    measured = finished.annotate(value=Subquery(last)).exclude(value=None).order_by(value, "-pk")
    chosen: dict[int, list[int]] = {}
    for pk, place in measured.values_list("pk", "experiment"):
        of_place = chosen.setdefault(place, [])
        if len(of_place) < rule.keep_best:
            of_place.append(pk)
    best = {pk for some in chosen.values() for pk in some}
    unmeasured = {place for pk, place in places.items() if place not in chosen}
    return best | {pk for pk, place in places.items() if place in unmeasured}, unmeasured


def _tagged(rule: RetentionRule) -> QuerySet[Run, int]:
    """With the children of those that are."""
    tagged = Run.objects.filter(Exists(Tag.objects.filter(run=OuterRef("pk"), name=rule.keep_tag)))
    if not rule.keep_tag:
        return Run.objects.none().values_list("pk", flat=True)
    return tagged.filter(workspace=rule.workspace_id).with_descendants().values_list("pk", flat=True)


def _above_what_stays(going: set[int]) -> set[int]:
    """Those that have a descendant that stays."""
    children = Run.objects.kept().filter(parent__in=Run.objects.with_keys(going).values("pk"))
    parents = dict(children.values_list("pk", "parent"))
    staying: set[int] = set()
    # Children are newer than their parents, so one pass from the newest on sees each before its parent.
    for pk in sorted(parents, reverse=True):
        parent = parents[pk]
        if parent is not None and (pk not in going or pk in staying):
            staying.add(parent)
    return staying & going


@transaction.atomic
def _move(rule: RetentionRule, pks: Iterable[int], now: datetime) -> int:
    """Asked again what may have changed since they were chosen: a tag, a registered model, a new child."""
    runs = Run.objects.kept().with_keys(pks).filter(status__in=RUN_FINAL)
    runs = runs.exclude(pk__in=_tagged(rule))
    for rows_of in KEPT:
        runs = runs.exclude(pk__in=rows_of().exclude(run=None).values("run"))
    locked = dict(runs.select_for_update().values_list("pk", "parent"))
    staying = _above_what_stays(set(locked))
    why = f"by {rule}"[:200]
    return Run.objects.with_keys(locked.keys() - staying).update(
        deleted_at=now, deleted_by=None, deleted_why=why, revision=F("revision") + 1
    )


def _freed(rule: RetentionRule, moving: list[int]) -> int:
    """What these add to what an empty trash frees: bytes that only runs in the trash have, too, go with the last of them."""
    there = list(Run.objects.trashed().filter(workspace=rule.workspace_id).values_list("pk", flat=True))
    return freed_bytes(Run.objects.with_keys([*there, *moving])) - freed_bytes(Run.objects.with_keys(there))


def _record(action: str, rule: RetentionRule, by: User) -> None:
    record(action, by=by, workspace=rule.workspace, subject=rule, rule=as_words(rule), enabled=rule.enabled)
