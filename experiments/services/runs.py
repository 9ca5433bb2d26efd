"""What people do with a run that exists."""

from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from experiments.models import Run, Tag
from experiments.services import environments
from experiments.services.submit import clean_tags, submit_run
from experiments.status import RUN_OWNED, RunStatus
from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import Conflict, NotAllowed, StaleState


def cancel_run(run: Run, *, by: User) -> None:
    """Ask for the run's end. Whoever owns its process ends it; a run that nobody owns yet ends here.

    Asking again changes nothing; a final run is a Conflict.
    """
    require(Role.CONTRIBUTOR, run.workspace, by)
    if run.is_final:
        raise Conflict(f"The run is {run.get_status_display().lower()} already.")
    with transaction.atomic():
        asked = Run.objects.active().filter(pk=run.pk, cancel_requested_at=None)
        if asked.update(cancel_requested_at=Now(), revision=F("revision") + 1):
            record("run.cancel", by=by, workspace=run.workspace, subject=run.uid)
    run.refresh_from_db()
    while run.status not in RUN_OWNED and not run.is_final:
        try:
            Run.objects.move(run, RunStatus.CANCELED, reason=f"canceled by {by.get_username()}", by=by)
        except StaleState:  # it moved on in between; perhaps a worker has it now, and sees the request
            run.refresh_from_db()
    environments.cancel_builds_nobody_waits_for(run)


def rerun(run: Run, *, as_of: date | None = None, by: User) -> Run:
    """The same again; `as_of` takes the packages as they were on that day."""
    if run.snapshot is None or run.environment_version is None:
        raise Conflict("This run was not started by the portal, so there is nothing to start again.")
    version = run.environment_version
    if as_of is not None and as_of != version.as_of:
        environment = version.environment
        name = f"{environment.name}-as-of-{as_of}" if environment.curated else environment.name
        version = environments.add_version(run.workspace, name, version.definition, as_of=as_of, by=by)
    return submit_run(
        run.workspace,
        experiment=run.experiment.name,
        snapshot=run.snapshot,
        environment_version=version,
        script=run.script,
        arguments=run.arguments,
        target=run.compute_target.name if run.compute_target else "local",
        name=run.name,
        environment_variables=run.environment_variables,
        wall_seconds=run.wall_seconds,
        tags={tag.name: tag.value for tag in run.tags.all()},
        rerun_of=run,
        by=by,
    )


def require_writer(run: Run, by: Any) -> None:
    """A contributor of the workspace, or the run itself."""
    if isinstance(by, RunPrincipal):
        if by.run_id != run.pk:
            raise NotAllowed("A run's token opens that run alone.")
        return
    require(Role.CONTRIBUTOR, run.workspace, by)


@transaction.atomic
def set_tags(run: Run, tags: dict[str, str | None], *, by: Any) -> None:
    require_writer(run, by)
    for name, value in clean_tags(tags).items():
        Tag.objects.update_or_create(run=run, name=name, defaults={"value": value})
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)


@transaction.atomic
def remove_tags(run: Run, names: list[str], *, by: Any) -> None:
    require_writer(run, by)
    run.tags.filter(name__in=names).delete()
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)
