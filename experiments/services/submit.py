"""A run is asked for: one transaction, then one wake-up."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import connection, transaction

from experiments.models import EnvironmentVersion, Experiment, Run, Snapshot, Tag
from experiments.models.experiments import experiment_name
from experiments.services import dispatch
from experiments.services.compute import refuse_deleted, target_named
from experiments.services.inputs import give_inputs
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict, StaleState
from mlportal.statements import Statement, together
from mlportal.texts import storable

MAX_ARGUMENTS = 1000
MAX_ARGUMENT_CHARACTERS = 32_000  # the kernel refuses a single one of 128 KiB, and all of them together over 2 MiB
MAX_TAG_CHARACTERS = 250
RESERVED_PREFIXES = ("AZUREML_", "MLFLOW_", "MLPORTAL_", "LD_")
RESERVED_VARIABLES = ("PATH", "PYTHONPATH", "HOME", "TMPDIR")
EXPERIMENTS: Final = connection.ops.quote_name(Experiment._meta.db_table)


@transaction.atomic
def submit_run(
    workspace: Workspace,
    *,
    experiment: str,
    snapshot: Snapshot,
    environment_version: EnvironmentVersion,
    script: str,
    arguments: Sequence[str] = (),
    target: str = "local",
    name: str = "",
    environment_variables: Mapping[str, str] | None = None,
    wall_seconds: int | None = None,
    tags: Mapping[str, str | None] | None = None,
    inputs: Sequence[Mapping[str, str]] = (),
    rerun_of: Run | None = None,
    parent: Run | None = None,
    by: User,
) -> Run:
    """Write the run, `NotStarted`, and wake a worker when the transaction is through.

    Raises BadInput naming the field, NotAllowed for a reader. The experiment is made when it is new.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    if snapshot.workspace_id != workspace.pk:
        raise BadInput("The snapshot belongs to another workspace.", field="snapshot")
    if environment_version.environment.workspace_id != workspace.pk:
        raise BadInput("The environment belongs to another workspace.", field="environment")
    if script not in {entry[0] for entry in snapshot.entries}:
        raise BadInput(f"{script!r} is not a file of the snapshot.", field="script")
    if parent is not None and parent.workspace_id != workspace.pk:
        raise BadInput("The parent belongs to another workspace.", field="parent")
    compute_target = target_named(workspace, target)
    if wall_seconds is not None and not 1 <= wall_seconds <= settings.RUN_WALL_SECONDS:
        limit = settings.RUN_WALL_SECONDS
        raise BadInput(
            f"The time limit is from 1 to {limit} seconds (MLPORTAL_RUN_WALL).", field="wall_seconds", limit=limit
        )
    if storable(name) != name:
        raise BadInput("The name holds a character that no text may have.", field="name")
    place = get_or_make_experiment(workspace, experiment, by=by)
    number = next_number(place)
    refuse_too_many_children(parent)
    run = Run.objects.create(
        workspace=workspace,
        experiment=place,
        number=number,
        name=name.strip()[:255],
        snapshot=snapshot,
        script=script,
        arguments=_clean_arguments(arguments),
        environment_version=environment_version,
        environment_variables=clean_variables(environment_variables or {}),
        compute_target=compute_target,
        wall_seconds=wall_seconds,
        rerun_of=rerun_of,
        parent=parent,
        created_by=by,
    )
    refuse_deleted(compute_target)
    run.events.create(new=RunStatus.NOT_STARTED, reason="submitted", actor=by)
    Tag.objects.bulk_create(Tag(run=run, name=key, value=value) for key, value in clean_tags(tags or {}).items())
    give_inputs(run, inputs)
    record("run.submit", by=by, workspace=workspace, subject=run.uid, experiment=place.name)
    dispatch.wake(run)
    run.refresh_from_db()
    return run


def get_or_make_experiment(
    workspace: Workspace, name: str, *, by: User, valid: RegexValidator = experiment_name
) -> Experiment:
    """The experiment of this name; a new one when there is none. BadInput says what a name may be, by `valid`."""
    try:
        # One that MLflow's client has made is called what it likes.
        can_be = storable(name) == name
        if not (can_be and Experiment.objects.filter(workspace=workspace, name=name).exists()):
            (valid if can_be else experiment_name)(name)
    except ValidationError as error:
        raise BadInput(f"{name!r} cannot name an experiment: {error.message}", field="experiment") from None
    experiment, made = Experiment.objects.get_or_create(workspace=workspace, name=name, defaults={"created_by": by})
    if made:
        record("experiment.create", by=by, workspace=workspace, subject=name)
    elif experiment.archived_at:
        Experiment.objects.filter(pk=experiment.pk).update(archived_at=None, deleted_at=None, purge=None)
    return experiment


def next_number(experiment: Experiment) -> int:
    """Counts up by one whoever asks at the same time: the update locks the row until the transaction ends."""
    (rows,) = together(count_up(experiment))
    if not rows:
        raise StaleState(f"The experiment {experiment.name} was deleted by somebody else first.")
    experiment.last_number = rows[0][0]
    return experiment.last_number


def count_up(experiment: Experiment) -> Statement:
    """Locks the row until the transaction ends; gives the new number, if the experiment is still there."""
    return f"UPDATE {EXPERIMENTS} SET last_number = last_number + 1 WHERE id = %s RETURNING last_number", [
        experiment.pk
    ]


def refuse_too_many_children(parent: Run | None) -> None:
    """Called while the experiment's row is locked, which makes those who start one at the same time come one by one; the
    parent's own lock keeps it from going to the trash meanwhile."""
    if parent is None:
        return
    rows = Run.objects.select_for_update(of=("self",)).filter(pk=parent.pk)
    if any(deleted_at is not None for deleted_at in rows.values_list("deleted_at", flat=True)):
        raise Conflict("The parent is in the trash; restore it first.", code="deleted")
    if parent.children.count() >= settings.RUN_CHILDREN:
        limit = settings.RUN_CHILDREN
        raise BadInput(f"A run has at most {limit} children (MLPORTAL_RUN_CHILDREN).", field="parent", limit=limit)


def clean_tags(tags: Mapping[str, Any]) -> dict[str, str | None]:
    """BadInput for a name that no tag has, or a text that no database takes; values become texts, None stays."""
    for name, value in tags.items():
        if not name or len(name) > MAX_TAG_CHARACTERS:
            raise BadInput(f"A tag's name has 1 to {MAX_TAG_CHARACTERS} characters.", field="tags")
        if storable(name) != name or storable(value) != value:
            raise BadInput(f"The tag {storable(name)!r} holds a character that no text may have.", field="tags")
    return {name: None if value is None else str(value) for name, value in tags.items()}


def _clean_arguments(arguments: Sequence[Any]) -> list[str]:
    words = [str(argument) for argument in arguments]
    if len(words) > MAX_ARGUMENTS:
        raise BadInput(f"A script takes at most {MAX_ARGUMENTS} arguments here.", field="arguments")
    for word in words:
        if storable(word) != word:
            raise BadInput("An argument holds a character that no program can be given.", field="arguments")
        if len(word) > MAX_ARGUMENT_CHARACTERS:
            raise BadInput(f"An argument is longer than {MAX_ARGUMENT_CHARACTERS} characters.", field="arguments")
    return words


def clean_variables(variables: Mapping[str, Any]) -> dict[str, str]:
    """BadInput for a name that no process may have, or that the portal sets itself; values become texts."""
    for name, value in variables.items():
        if not name or "=" in name or storable(name + str(value)) != name + str(value):
            raise BadInput(f"{storable(name)!r} cannot be an environment variable.", field="environment_variables")
        if name.upper().startswith(RESERVED_PREFIXES) or name in RESERVED_VARIABLES:
            raise BadInput(f"{name} is set by the portal itself.", field="environment_variables")
    return {name: str(value) for name, value in variables.items()}
