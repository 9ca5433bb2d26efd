"""Runs: who may see them, the only writer of their status, and the lease that says which worker may write."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import connection, transaction
from django.db.models import Count, DateTimeField, ExpressionWrapper, F, OuterRef, Q, Subquery, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Now

from experiments.status import RUN_ACTIVE, RUN_MOMENTS, RUN_MOVES, RUN_OWNED, RunStatus
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
    def visible_to(self, principal: Any) -> Self:
        if isinstance(principal, RunPrincipal):
            return self.descending_from(principal.run_id)
        return super().visible_to(principal)

    def descending_from(self, pk: int) -> Self:
        """The run, its children, theirs and so on."""
        table = connection.ops.quote_name(self.model._meta.db_table)
        family = (
            f"WITH RECURSIVE family(id) AS (SELECT id FROM {table} WHERE id = %s"
            f" UNION ALL SELECT child.id FROM {table} child JOIN family ON child.parent_id = family.id)"
            " SELECT id FROM family"
        )
        return self.filter(pk__in=RawSQL(family, [pk]))

    def with_children_count(self) -> Self:
        """Each with `children_count`."""
        children = (
            self.model.objects.order_by().filter(parent=OuterRef("pk")).values("parent").annotate(all=Count("pk"))
        )
        return self.annotate(children_count=Coalesce(Subquery(children.values("all")), 0))

    def kept(self) -> Self:
        """Those that are not in the trash."""
        return self.filter(deleted_at=None)

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
