"""What people do with a run that exists."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from experiments.models import Run, RunProperty, Tag
from experiments.services import building, environments
from experiments.services.inputs import wishes_of
from experiments.services.submit import MAX_TAG_CHARACTERS, clean_tags, submit_run
from experiments.status import RUN_OWNED, RunStatus
from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict, NotAllowed, StaleState
from mlportal.texts import storable

MAX_CHARACTERS = {"name": 255, "description": 5000}


def cancel_run(run: Run, *, by: User) -> None:
    """Ask for the run's end. Whoever owns its process ends it; a run that nobody owns yet ends here.

    Asking again changes nothing; a final run is a Conflict. A run of a client ends here, too: no process of it is ours.
    """
    require(Role.CONTRIBUTOR, run.workspace, by)
    if run.is_final:
        raise Conflict(f"The run is {run.get_status_display().lower()} already.")
    with transaction.atomic():
        asked = Run.objects.active().filter(pk=run.pk, cancel_requested_at=None)
        if asked.update(cancel_requested_at=Now(), revision=F("revision") + 1):
            record("run.cancel", by=by, workspace=run.workspace, subject=run.uid)
    run.refresh_from_db()
    while (run.is_client_side or run.status not in RUN_OWNED) and not run.is_final:
        status = RunStatus.FAILED if run.is_given_up else RunStatus.CANCELED
        try:
            Run.objects.move(run, status, reason=f"{status.label.lower()} by {by.get_username()}", by=by)
        except StaleState:  # it moved on in between; perhaps a worker has it now, and sees the request
            run.refresh_from_db()
    building.cancel_builds_nobody_waits_for(run)


def give_up_run(run: Run, *, message: str = "", code: str = "", by: User) -> None:
    """End a run that the portal executes as a failed one, for the reason that a person gives: its process is ended like that
    of one that is canceled."""
    require(Role.CONTRIBUTOR, run.workspace, by)
    failure = {
        "type": code or "run.fail",
        "message": message or f"{by.get_username()} called run.fail().",
        "given_up": True,
    }
    with transaction.atomic():
        Run.objects.active().filter(pk=run.pk, cancel_requested_at=None).update(failure=failure)
        cancel_run(run, by=by)


def rerun(run: Run, *, as_of: date | None = None, by: User) -> Run:
    """The same again; `as_of` takes the packages as they were on that day."""
    if run.snapshot is None or run.environment_version is None:
        raise Conflict("This run was not started by the portal, so there is nothing to start again.")
    version = run.environment_version
    if as_of is not None and as_of != version.as_of:
        version = environments.version_as_of(version, as_of, target=run.compute_target, by=by)
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
        inputs=wishes_of(run),
        rerun_of=run,
        parent=run.parent,
        by=by,
    )


def require_writer(run: Run, by: Any) -> None:
    """A contributor of the workspace, or the run itself or one that it descends from; Conflict for a run in the trash."""
    if run.deleted_at is not None:
        raise Conflict("The run is in the trash; restore it first.", code="deleted")
    if isinstance(by, RunPrincipal):
        if not Run.objects.visible_to(by).filter(pk=run.pk).exists():
            raise NotAllowed("A run's token opens that run and its children alone.")
        return
    require(Role.CONTRIBUTOR, run.workspace, by)


@contextmanager
def changing(run: Run) -> Iterator[None]:
    """For who reads what a run has and writes it changed: nobody else writes to the run meanwhile."""
    with transaction.atomic():
        Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)  # takes the row's lock
        yield


@transaction.atomic
def update_run(run: Run, *, name: str | None = None, description: str | None = None, by: User | RunPrincipal) -> None:
    """Change what people call it; None leaves it as it is."""
    require_writer(run, by)
    changes = {"name": name, "description": description}
    fields = {field: clean_text(text, field) for field, text in changes.items() if text is not None}
    if fields:
        Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1, **fields)
        record("run.update", by=person_behind(by), workspace=run.workspace, subject=run.uid, changed=sorted(fields))


@transaction.atomic
def add_properties(run: Run, properties: Mapping[str, str], *, by: User | RunPrincipal) -> None:
    """Properties are written once: Conflict names those that have another value already, and nothing is written."""
    require_writer(run, by)
    wanted = clean_properties(properties)
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)  # takes the row's lock
    known = dict(run.properties.filter(name__in=wanted).values_list("name", "value"))
    if others := sorted(name for name in known.keys() & wanted.keys() if known[name] != wanted[name]):
        listed = ", ".join(others[:10])
        raise Conflict(
            f"A property is written once; these have a value already: {listed}.", code="exists", names=others
        )
    RunProperty.objects.bulk_create(
        RunProperty(run=run, name=name, value=value) for name, value in wanted.items() if name not in known
    )


def clean_properties(properties: Mapping[str, Any]) -> dict[str, str]:
    """Like tags, but each has a value."""
    for name, value in properties.items():
        if not name or len(name) > MAX_TAG_CHARACTERS or storable(name) != name or storable(value) != value:
            raise BadInput(f"{storable(name)[:MAX_TAG_CHARACTERS]!r} cannot be a property.", field="properties")
    return {name: "" if value is None else str(value) for name, value in properties.items()}


def clean_text(text: str, field: str) -> str:
    """BadInput when it is longer than the run's column, or holds what no database takes."""
    text, most = text.strip(), MAX_CHARACTERS[field]
    if storable(text) != text:
        raise BadInput(f"The {field} holds a character that no text may have.", field=field)
    if len(text) > most:
        raise BadInput(f"The {field} has at most {most} characters.", field=field)
    return text


@transaction.atomic
def set_tags(run: Run, tags: dict[str, str | None], *, by: Any) -> None:
    require_writer(run, by)
    wanted = clean_tags(tags)
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)  # first, as everywhere: it takes the row's lock
    for name, value in wanted.items():
        Tag.objects.update_or_create(run=run, name=name, defaults={"value": value})


@transaction.atomic
def remove_tags(run: Run, names: list[str], *, by: Any) -> None:
    require_writer(run, by)
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)
    run.tags.filter(name__in=names).delete()
