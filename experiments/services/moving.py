"""Runs that go to another experiment of their workspace."""

from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import F

from experiments.models import Experiment, LoggedModel, Run
from mlportal.access.models import User
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict, StaleState


@transaction.atomic
def move_runs(runs: Iterable[Run], experiment: Experiment, *, by: User) -> int:
    """Give them to the experiment, where their numbers count on in the order in which they were made; how many went.

    Children go with their parents. Conflict, and nothing is moved, for a child whose parent stays and for a run that the
    portal executes: its script has been told which experiment it is in.
    """
    require(Role.CONTRIBUTOR, experiment.workspace, by)
    asked = [run for run in runs if run.experiment_id != experiment.pk]
    if any(run.workspace_id != experiment.workspace_id for run in asked):
        raise BadInput("A run stays in its workspace; choose an experiment of it.", field="experiment")
    # Whoever starts a run counts it in its experiment first: nobody does while the rows are locked.
    places = sorted({experiment.pk, *(run.experiment_id for run in asked)})
    locked = set(
        Experiment.objects.select_for_update().filter(pk__in=places).order_by("pk").values_list("pk", flat=True)
    )
    if experiment.pk not in locked:
        raise StaleState(f"The experiment {experiment.name} was deleted by somebody else first.")
    going = _families(asked)
    for run in going.values():
        if run.parent_id and run.parent_id not in going and run.parent.experiment_id != experiment.pk:  # type: ignore[union-attr]  # has one
            raise Conflict("It is the child of another run, and goes where that one goes.", code="has_parent")
        if not run.is_client_side and not run.is_final:
            raise Conflict("The portal executes this run; move it when it has ended.", status=run.status)
    last = _take_numbers(experiment, len(going))
    for number, key in enumerate(sorted(going), last - len(going) + 1):
        Run.objects.filter(pk=key).update(experiment=experiment, number=number, revision=F("revision") + 1)
    LoggedModel.objects.filter(run__in=list(going)).update(experiment=experiment)
    for run in asked:
        record(
            "run.move",
            by=by,
            workspace=experiment.workspace,
            subject=run.uid,
            experiment=experiment.name,
            former=run.experiment.name,
        )
    return len(going)


def _families(runs: Iterable[Run]) -> dict[int, Run]:
    """The runs and all that descend from them, by their keys."""
    found: dict[int, Run] = {}
    level = {run.pk for run in runs}
    while level := level - found.keys():
        rows = Run.objects.filter(pk__in=level).select_related("parent")
        found.update((run.pk, run) for run in rows)
        level = set(Run.objects.filter(parent__in=level).values_list("pk", flat=True))
    return found


def _take_numbers(experiment: Experiment, count: int) -> int:
    """The last of so many numbers that nobody else gets."""
    table = connection.ops.quote_name(Experiment._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET last_number = last_number + %s WHERE id = %s RETURNING last_number",
            [count, experiment.pk],
        )
        return int(cursor.fetchone()[0])
