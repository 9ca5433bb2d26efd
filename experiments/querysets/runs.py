"""Runs: who may see them, the only writer of their status, and the lease that says which worker may write."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.core.exceptions import EmptyResultSet
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, DateTimeField, ExpressionWrapper, F, OuterRef, Q, Subquery, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Now

from experiments.status import RUN_ACTIVE, RUN_FINAL, RUN_MOMENTS, RUN_MOVES, RUN_OWNED, RunStatus
from mlportal.access.principals import RunPrincipal
from mlportal.access.querysets import WorkspaceScoped
from mlportal.errors import IllegalMove, StaleState

if TYPE_CHECKING:
    from experiments.models import Run


def from_now(seconds: float) -> Any:
    """A moment by the database's clock: the workers' clocks may disagree by hours."""
    if connection.vendor == "sqlite":
        from django.db.models import Func

        return Func(
            Value("%Y-%m-%d %H:%M:%f"),
            Value("now"),
            Value(f"{seconds:+.3f} seconds"),
            function="STRFTIME",
            output_field=DateTimeField(),
        )
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())


class RunQuerySet(WorkspaceScoped["Run"]):
    def visible_to(self, principal: Any, workspace: Any = None) -> Self:
        there = self.filter(purge=None)  # what is deleted for good is gone for everybody, before its last row is
        if isinstance(principal, RunPrincipal):
            there = there if workspace is None else there.in_workspace(workspace)
            return there.descending_from(principal.run_id)
        return super(RunQuerySet, there).visible_to(principal, workspace)

    def descending_from(self, *pks: int) -> Self:
        """Of these rows: the runs with these keys, their children, theirs and so on."""
        return self.filter(pk__in=self.model.objects.filter(pk__in=pks).with_descendants().values("pk"))

    def with_descendants(self) -> Self:
        """These, their children, theirs and so on."""
        return self._with("member.parent_id = family.id")

    def with_ancestors(self) -> Self:
        """These, their parents, theirs and so on."""
        return self._with("member.id = family.parent_id")

    def _with(self, related: str) -> Self:
        table = connection.ops.quote_name(self.model._meta.db_table)
        try:
            these, parameters = self.order_by().values("pk").query.sql_with_params()
        except EmptyResultSet:
            return self.none()
        family = (
            f"WITH RECURSIVE family(id, parent_id) AS (SELECT id, parent_id FROM {table} WHERE id IN ({these})"
            f" UNION SELECT member.id, member.parent_id FROM {table} member JOIN family ON {related})"
            " SELECT id FROM family"
        )
        everything: Self = self.model.objects.all()  # type: ignore[assignment]
        return everything.filter(pk__in=RawSQL(family, parameters))

    def with_keys(self, pks: Iterable[int]) -> Self:
        """As `pk__in`, for more keys than a query may have parameters."""
        listed = json.dumps(list(pks))
        if connection.vendor == "sqlite":
            return self.filter(pk__in=RawSQL("SELECT value FROM json_each(%s)", [listed]))
        return self.filter(pk__in=RawSQL("SELECT value::bigint FROM json_array_elements_text(%s::json)", [listed]))

    def with_children_count(self) -> Self:
        """Each with `children_count`."""
        children = (
            self.model.objects.kept()
            .order_by()
            .filter(parent=OuterRef("pk"))
            .values("parent")
            .annotate(all=Count("pk"))
        )
        return self.annotate(children_count=Coalesce(Subquery(children.values("all")), 0))

    def kept(self) -> Self:
        """Those that are not in the trash."""
        return self.filter(deleted_at=None)

    def trashed(self) -> Self:
        """Those that are in the trash, and not deleted for good."""
        return self.filter(deleted_at__isnull=False, purge=None)

    def tops(self) -> Self:
        """Those whose parent, if they have one, is not in the trash: what a person moved there, and may bring back."""
        return self.filter(Q(parent=None) | Q(parent__deleted_at=None))

    def active(self) -> Self:
        return self.filter(status__in=RUN_ACTIVE)

    def without_a_living_worker(self) -> Self:
        """Runs that somebody has to go on following: their lease is given back or over, by the database's clock."""
        executed = self.filter(compute_target__isnull=False, status__in=RUN_OWNED)
        return executed.filter(Q(lease_until=None) | Q(lease_until__lt=Now()))

    def move(self, run: Run, new: RunStatus, *, reason: str = "", by: Any = None, **fields: Any) -> None:
        """The only writer of a run's status: legal by the table, compare-and-set, one event in the same transaction.

        Raises IllegalMove when the table has no such move, StaleState when somebody changed the run first (or adopted
        it: the attempt is part of the comparison); then theirs stands.
        """
        old = RunStatus(run.status)
        if new not in RUN_MOVES.get(old, ()):
            raise IllegalMove(f"A run that is {old.label.lower()} cannot become {new.label.lower()}.", old=old, new=new)
        with transaction.atomic():
            won = self.model.objects.filter(pk=run.pk, status=old, attempt=run.attempt).update(
                status=new, revision=F("revision") + 1, **{RUN_MOMENTS[new]: Now(), **fields}
            )
            if not won:
                raise StaleState(f"Run {run.uid} was changed by somebody else first.")
            run.events.create(old=old, new=new, reason=reason[:2000], actor=by)
        run.refresh_from_db()

    def bring_in(self, run: Run, *, reason: str, by: Any) -> None:
        """The other writer of a status: a run that happened elsewhere is stored as it ended there, with one event that says
        where it is from. It has no compute target, so that no worker takes it, and is running or final.
        """
        if run.compute_target_id is not None or run.status not in {*RUN_FINAL, RunStatus.RUNNING}:
            raise IllegalMove("A run from elsewhere is running or final, and has no compute target.", new=run.status)
        with transaction.atomic():
            try:
                with transaction.atomic():
                    run.save(force_insert=True)
            except IntegrityError:
                raise StaleState(f"Somebody else has stored a run with the id {run.uid} first.") from None
            run.events.create(new=run.status, reason=reason[:2000], actor=by)

    def bring_to_end(self, run: Run, new: RunStatus, ended_at: Any, *, reason: str, by: Any) -> None:
        """The end of one that was brought in while it was going on; StaleState when it has ended here meanwhile."""
        if new not in RUN_FINAL:
            raise IllegalMove("A run ends as completed, failed or canceled.", new=new)
        going_on = self.model.objects.filter(pk=run.pk, compute_target=None, status=RunStatus.RUNNING)
        finalizing = {"finalizing_at": ended_at} if new == RunStatus.COMPLETED else {}
        with transaction.atomic():
            if not going_on.update(status=new, ended_at=ended_at, revision=F("revision") + 1, **finalizing):
                raise StaleState(f"Run {run.uid} has ended here already.")
            run.events.create(old=RunStatus.RUNNING, new=new, reason=reason[:2000], actor=by)
        run.refresh_from_db()

    def claim(self, run: Run, *, worker: str, node: str, seconds: float) -> None:
        """Take a queued run: `Running`, with a lease and the next attempt number. StaleState when another worker won."""
        attempt = run.attempt + 1
        self.move(
            run,
            RunStatus.RUNNING,
            reason=f"taken by {node}",
            attempt=attempt,
            worker=worker,
            node=node,
            lease_until=from_now(seconds),
        )

    def adopt(self, run: Run, *, worker: str, seconds: float) -> None:
        """Go on following a run whose worker is gone. From here on the writes of the former attempt are refused."""
        won = (
            self.model.objects.without_a_living_worker()
            .filter(pk=run.pk, attempt=run.attempt)
            .update(
                attempt=F("attempt") + 1,
                fruitless_attempts=F("fruitless_attempts") + 1,
                worker=worker,
                lease_until=from_now(seconds),
            )
        )
        if not won:
            raise StaleState(f"Run {run.uid} has a worker.")
        run.refresh_from_db()

    def renew(self, run: Run, *, seconds: float) -> None:
        """Lengthen the lease; StaleState when this attempt is no longer the run's, or the run is over."""
        if not self.owned_by(run).update(lease_until=from_now(seconds)):
            raise StaleState(f"Run {run.uid} was adopted by another worker, or given up.")

    def owned_by(self, run: Run) -> Self:
        """The run's row as long as this attempt may write to it; else nothing."""
        return self.filter(pk=run.pk, attempt=run.attempt, status__in=RUN_OWNED)

    def release(self, run: Run, *, well: bool = False) -> None:
        """Give the lease back, so that the next worker need not wait for its end. `well`: nothing is wrong with the run."""
        fields = {"fruitless_attempts": 0} if well else {}
        self.model.objects.filter(pk=run.pk, attempt=run.attempt).update(lease_until=None, **fields)
