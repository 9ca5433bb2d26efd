"""Runs that a client runs itself, a notebook or a script that splits its work: the portal only keeps what they log.

They have no compute target, so no worker takes them, and no reaper ends one whose client fell silent: a person does.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.db.models.expressions import RawSQL

from experiments.models import Experiment, Run, RunEvent, RunProperty, Tag
from experiments.services.runs import clean_properties, clean_text, give_up_run, require_writer
from experiments.services.submit import (
    EXPERIMENTS,
    clean_tags,
    count_up,
    get_or_make_experiment,
    refuse_too_many_children,
)
from experiments.services.trash import lock_experiments
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.roles import Role
from mlportal.access.services import line, require
from mlportal.errors import BadInput, Conflict, NotAllowed, StaleState
from mlportal.statements import NOW, insert
from mlportal.texts import storable

ENDINGS = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)
MAX_CODE_CHARACTERS = 200
MAX_MESSAGE_CHARACTERS = 10_000
RUNS: Final = connection.ops.quote_name(Run._meta.db_table)


@transaction.atomic
def start_run(
    workspace: Workspace,
    *,
    experiment: str | Experiment | None = None,
    parent: Run | None = None,
    name: str = "",
    tags: Mapping[str, str | None] | None = None,
    properties: Mapping[str, str] | None = None,
    started_at: datetime | None = None,
    by: User | RunPrincipal,
) -> Run:
    """A run that is `Running` at once, in the experiment of its parent or in the one that is named, made when it is new.
    It started now, unless its client knows better.

    A run's token starts children of that run and of its descendants.
    """
    if isinstance(by, RunPrincipal):
        if parent is None:
            raise NotAllowed("A run's token starts children of that run alone; name a parent.")
        require_writer(parent, by)
    else:
        require(Role.CONTRIBUTOR, workspace, by)
    person = person_behind(by)
    place = _place(workspace, experiment, parent, by=person)
    if parent is not None:
        lock_experiments({place.pk})
        refuse_too_many_children(parent)
    run = Run(
        workspace=workspace,
        experiment=place,
        number=RawSQL(f"(SELECT last_number FROM {EXPERIMENTS} WHERE id = %s)", [place.pk]),
        name=clean_text(name, "name"),
        parent=parent,
        status=RunStatus.RUNNING,
        created_at=RawSQL(NOW, []),
        started_at=started_at or RawSQL(NOW, []),
        created_by=person,
    )
    key = RawSQL(f"(SELECT id FROM {RUNS} WHERE uid = %s)", [run.uid])
    # A parent's own line tells enough: a search starts thousands
    lines = [line("run.start", by=person, workspace=workspace, subject=run.uid, experiment=place.name)]
    try:
        insert(
            [run],
            [RunEvent(run_id=key, new=RunStatus.RUNNING, reason="started by its client", actor=person)],
            [Tag(run_id=key, name=name, value=value) for name, value in clean_tags(tags or {}).items()],
            [
                RunProperty(run_id=key, name=name, value=value)
                for name, value in clean_properties(properties or {}).items()
            ],
            [] if parent else lines,
            before=[count_up(place)],
            last=True,
        )
    except IntegrityError:
        raise StaleState(f"The experiment {place.name}, or the parent, was deleted by somebody else first.") from None
    return run


@transaction.atomic
def finish_run(
    run: Run,
    status: str,
    *,
    message: str = "",
    code: str = "",
    ended_at: datetime | None = None,
    by: User | RunPrincipal,
) -> None:
    """How it ended, as its client says, or somebody who knows that the client is gone. A final status never changes.

    Of a run that the portal executes a person can say that it has failed: then it is ended.
    """
    require_writer(run, by)
    if status not in ENDINGS:
        raise BadInput(f"A run ends as one of {', '.join(ENDINGS)}.", field="status")
    executed = not run.is_client_side
    if executed and (status != RunStatus.FAILED or isinstance(by, RunPrincipal)):
        raise Conflict("The portal executes this run, and its script says how it ends; cancel it to end it now.")
    if run.is_final:
        raise Conflict(f"The run is {run.get_status_display().lower()} already.", status=run.status)
    person = person_behind(by)
    said, named = storable(message.strip())[:MAX_MESSAGE_CHARACTERS], storable(code.strip())[:MAX_CODE_CHARACTERS]
    if executed:
        give_up_run(run, message=said, code=named, by=person)
        return
    fields: dict[str, Any] = {} if ended_at is None else {"ended_at": ended_at}
    if status == RunStatus.FAILED:
        fields["failure"] = {"type": named or "run.fail", "message": said}
    reason = storable(message.strip()) or (
        "ended by its client" if isinstance(by, RunPrincipal) else f"ended by {person}"
    )
    if status == RunStatus.COMPLETED:  # by the table: nothing is left to be stored
        Run.objects.move(run, RunStatus.FINALIZING, reason=reason, by=person)
    Run.objects.move(run, RunStatus(status), reason=reason, by=person, **fields)


def _place(workspace: Workspace, experiment: str | Experiment | None, parent: Run | None, *, by: User) -> Experiment:
    if parent is None:
        if not experiment:
            raise BadInput("Name an experiment, or a parent.", field="experiment")
        if isinstance(experiment, Experiment):
            return experiment
        return get_or_make_experiment(workspace, experiment, by=by)
    if parent.workspace_id != workspace.pk:
        raise BadInput("The parent belongs to another workspace.", field="parent")
    if experiment and str(experiment) != parent.experiment.name:
        raise BadInput(f"A child is in its parent's experiment, {parent.experiment.name}.", field="experiment")
    return parent.experiment
