"""A run is asked for: one transaction, then one wake-up."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from experiments.models import ComputeTarget, EnvironmentVersion, Experiment, Run, Snapshot, Tag
from experiments.models.experiments import experiment_name
from experiments.services import dispatch
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput
from mlportal.texts import storable

MAX_ARGUMENTS = 1000
MAX_ARGUMENT_CHARACTERS = 32_000  # the kernel refuses a single one of 128 KiB, and all of them together over 2 MiB
MAX_TAG_CHARACTERS = 250
RESERVED_PREFIXES = ("AZUREML_", "MLFLOW_", "MLPORTAL_", "LD_")
RESERVED_VARIABLES = ("PATH", "PYTHONPATH", "HOME", "TMPDIR")


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
    rerun_of: Run | None = None,
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
    compute_target = ComputeTarget.objects.usable_in(workspace).filter(name=target).first()
    if compute_target is None:
        known = ", ".join(ComputeTarget.objects.usable_in(workspace).values_list("name", flat=True))
        raise BadInput(f"There is no compute target {target!r} here; there are: {known or 'none'}.", field="target")
    if wall_seconds is not None and not 1 <= wall_seconds <= settings.RUN_WALL_SECONDS:
        limit = settings.RUN_WALL_SECONDS
        raise BadInput(
            f"The time limit is from 1 to {limit} seconds (MLPORTAL_RUN_WALL).", field="wall_seconds", limit=limit
        )
    if storable(name) != name:
        raise BadInput("The name holds a character that no text may have.", field="name")
    parent = get_or_make_experiment(workspace, experiment, by=by)
    run = Run.objects.create(
        workspace=workspace,
        experiment=parent,
        number=next_number(parent),
        name=name.strip()[:255],
        snapshot=snapshot,
        script=script,
        arguments=_clean_arguments(arguments),
        environment_version=environment_version,
        environment_variables=_clean_variables(environment_variables or {}),
        compute_target=compute_target,
        wall_seconds=wall_seconds,
        rerun_of=rerun_of,
        created_by=by,
    )
    run.events.create(new=RunStatus.NOT_STARTED, reason="submitted", actor=by)
    Tag.objects.bulk_create(Tag(run=run, name=key, value=value) for key, value in clean_tags(tags or {}).items())
    record("run.submit", by=by, workspace=workspace, subject=run.uid, experiment=parent.name)
    dispatch.wake(run)
    run.refresh_from_db()
    return run


def get_or_make_experiment(workspace: Workspace, name: str, *, by: User) -> Experiment:
    """The experiment of this name; a new one when there is none. BadInput says what a name may be."""
    try:
        experiment_name(name)
    except ValidationError as error:
        raise BadInput(f"{name!r} cannot name an experiment: {error.message}", field="experiment") from None
    experiment, made = Experiment.objects.get_or_create(workspace=workspace, name=name, defaults={"created_by": by})
    if made:
        record("experiment.create", by=by, workspace=workspace, subject=name)
    elif experiment.archived_at:
        Experiment.objects.filter(pk=experiment.pk).update(archived_at=None)
    return experiment


def next_number(experiment: Experiment) -> int:
    """Counts up by one whoever asks at the same time: the update locks the row until the transaction ends."""
    Experiment.objects.filter(pk=experiment.pk).update(last_number=F("last_number") + 1)
    experiment.refresh_from_db(fields=["last_number"])
    return experiment.last_number


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


def _clean_variables(variables: Mapping[str, Any]) -> dict[str, str]:
    for name, value in variables.items():
        if not name or "=" in name or storable(name + str(value)) != name + str(value):
            raise BadInput(f"{storable(name)!r} cannot be an environment variable.", field="environment_variables")
        if name.upper().startswith(RESERVED_PREFIXES) or name in RESERVED_VARIABLES:
            raise BadInput(f"{name} is set by the portal itself.", field="environment_variables")
    return {name: str(value) for name, value in variables.items()}
