"""What people do with experiments. Runs make them, too, by naming one that is new."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from experiments.models import Experiment, Run
from experiments.models.experiments import any_name
from experiments.services.submit import clean_tags, get_or_make_experiment
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from mlportal.texts import storable

MAX_DESCRIPTION = 5000
MAX_TAGS = 100
DEFAULT = "Default"


@transaction.atomic
def create_experiment(
    workspace: Workspace,
    name: str,
    *,
    description: str = "",
    tags: Mapping[str, str | None] | None = None,
    by: User,
) -> tuple[Experiment, bool]:
    """The experiment, and whether it was made just now; one that is there stays as it is."""
    require(Role.CONTRIBUTOR, workspace, by)
    before = Experiment.objects.filter(workspace=workspace, name=name).first()
    if before is not None:
        return before, False
    experiment = get_or_make_experiment(workspace, name, by=by)
    return update_experiment(experiment, description=description, set_tags=tags or {}, by=by), True


@transaction.atomic
def make_experiment(
    workspace: Workspace, name: str, *, tags: Mapping[str, str | None] | None = None, by: User
) -> Experiment:
    """A new one by any name that MLflow's clients give. Raises Conflict `exists`."""
    require(Role.CONTRIBUTOR, workspace, by)
    _check_name(name)
    experiment, made = Experiment.objects.get_or_create(workspace=workspace, name=name, defaults={"created_by": by})
    if not made:
        state = "archived" if experiment.archived_at else "active"
        raise Conflict(f"Experiment {name!r} already exists in {state} state.", code="exists")
    record("experiment.create", by=by, workspace=workspace, subject=name)
    return update_experiment(experiment, set_tags=tags, by=by) if tags else experiment


def default_experiment(workspace: Workspace) -> Experiment:
    """The one of runs that name none. It is there when somebody looks for it."""
    table = connection.ops.quote_name(Experiment._meta.db_table)
    # In plain SQL, for it is asked for with every new run
    there = Experiment.objects.raw(
        f"SELECT * FROM {table} WHERE workspace_id = %s AND name = %s", [workspace.pk, DEFAULT]
    )
    return next(iter(there), None) or Experiment.objects.get_or_create(workspace=workspace, name=DEFAULT)[0]


@transaction.atomic
def rename_experiment(experiment: Experiment, name: str, *, by: User) -> None:
    """Raises Conflict `exists` when another one is called so, Conflict for the one of runs that name none."""
    require(Role.CONTRIBUTOR, experiment.workspace, by)
    _check_name(name)
    if name == experiment.name:
        return
    if DEFAULT in (name, experiment.name):
        raise Conflict(f"{DEFAULT} is the experiment of runs that name none; it keeps its name.")
    others = Experiment.objects.filter(workspace=experiment.workspace, name=name)
    if others.exists():
        raise Conflict(f"There is an experiment named {name!r} already.", code="exists")
    record("experiment.rename", by=by, workspace=experiment.workspace, subject=experiment.name, name=name)
    try:
        with transaction.atomic():
            Experiment.objects.filter(pk=experiment.pk).update(name=name, updated_at=Now())
    except IntegrityError:  # somebody else was faster
        raise Conflict(f"There is an experiment named {name!r} already.", code="exists") from None
    experiment.refresh_from_db()


def _check_name(name: str) -> None:
    try:
        any_name(name)
    except ValidationError as error:
        raise BadInput(f"{storable(name)[:100]!r} cannot name an experiment: {error.message}", field="name") from None
    if storable(name) != name:
        raise BadInput("The name holds a character that no text may have.", field="name")


@transaction.atomic
def update_experiment(
    experiment: Experiment,
    *,
    description: str | None = None,
    set_tags: Mapping[str, str | None] | None = None,
    remove_tags: Sequence[str] = (),
    by: User,
) -> Experiment:
    """Change what people say of it; tags that are not named stay. None leaves the description as it is."""
    require(Role.CONTRIBUTOR, experiment.workspace, by)
    workspace = experiment.workspace
    experiment = Experiment.objects.select_for_update().get(pk=experiment.pk)
    fields: dict[str, Any] = {}
    if description is not None:
        if len(description) > MAX_DESCRIPTION:
            raise BadInput(f"A description has at most {MAX_DESCRIPTION} characters.", field="description")
        fields["description"] = storable(description.strip())
    if set_tags or remove_tags:
        kept = {name: value for name, value in experiment.tags.items() if name not in remove_tags}
        fields["tags"] = kept | clean_tags(set_tags or {})
        if len(fields["tags"]) > MAX_TAGS:
            raise BadInput(f"An experiment has at most {MAX_TAGS} tags.", field="tags")
    if fields:
        Experiment.objects.filter(pk=experiment.pk).update(**fields, updated_at=Now())
        record("experiment.update", by=by, workspace=workspace, subject=experiment.name, changed=sorted(fields))
        experiment.refresh_from_db()
    return experiment


@transaction.atomic
def archive_experiment(experiment: Experiment, *, by: User) -> None:
    """It is listed no more; its runs stay. The next run that is submitted to it brings it back."""
    require(Role.CONTRIBUTOR, experiment.workspace, by)
    if Experiment.objects.filter(pk=experiment.pk, archived_at=None).update(archived_at=Now(), updated_at=Now()):
        record("experiment.archive", by=by, workspace=experiment.workspace, subject=experiment.name)
    experiment.refresh_from_db()


@transaction.atomic
def restore_experiment(experiment: Experiment, *, by: User) -> None:
    require(Role.CONTRIBUTOR, experiment.workspace, by)
    if Experiment.objects.filter(pk=experiment.pk, archived_at__isnull=False).update(
        archived_at=None, deleted_at=None, deleted_by=None, purge=None, updated_at=Now()
    ):
        record("experiment.restore", by=by, workspace=experiment.workspace, subject=experiment.name)
    experiment.refresh_from_db()


@transaction.atomic
def delete_experiment(experiment: Experiment, *, by: User) -> None:
    """One that has no runs. Conflict says how many there are."""
    require(Role.CONTRIBUTOR, experiment.workspace, by)
    Experiment.objects.select_for_update().filter(pk=experiment.pk).first()  # waits for runs that are being written
    runs = Run.objects.filter(experiment=experiment).count()
    if runs:
        has = "a run" if runs == 1 else f"{runs} runs"
        if Run.objects.kept().filter(experiment=experiment).exists():
            raise Conflict(f"{experiment.name} has {has}; archive it instead.", runs=runs)
        raise Conflict(f"{experiment.name} has {has} in the trash; delete them for good first.", runs=runs)
    record("experiment.delete", by=by, workspace=experiment.workspace, subject=experiment.name)
    experiment.delete()
