"""A workspace's own compute targets. Shared ones are the administrators': members look at them and send runs there."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from experiments.models import ComputeTarget, Run
from experiments.services import dispatch
from experiments.status import RUN_FINAL, RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict, NotAllowed
from mlportal.texts import storable

MAX_DESCRIPTION = 500


@transaction.atomic
def create_target(workspace: Workspace, name: str, *, slots: int = 1, description: str = "", by: User) -> ComputeTarget:
    """A target of this workspace. Workers that serve all targets take its runs within seconds.

    Conflict when the workspace can use one of this name already.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    _name(name)
    Workspace.objects.select_for_update().get(pk=workspace.pk)  # two that ask at the same time are counted one by one
    usable = ComputeTarget.objects.usable_in(workspace)
    if usable.filter(name=name).exists():
        raise Conflict(f"There is a compute target {name} here already.", code="exists", field="name")
    limit = settings.COMPUTE_TARGETS
    if usable.filter(workspace=workspace).count() >= limit:
        raise BadInput(f"A workspace has at most {limit} compute targets (MLPORTAL_COMPUTE_TARGETS).", limit=limit)
    try:
        with transaction.atomic():
            target = ComputeTarget.objects.create(
                workspace=workspace,
                name=name,
                slots=_slots(slots),
                description=_description(description),
                created_by=by,
            )
    except IntegrityError:  # an administrator, who asks for no lock
        raise Conflict(f"There is a compute target {name} here already.", code="exists", field="name") from None
    record("compute.create", by=by, workspace=workspace, subject=name, slots=slots)
    return target


@transaction.atomic
def update_target(
    target: ComputeTarget, *, slots: int | None = None, description: str | None = None, by: User
) -> ComputeTarget:
    """Fewer slots end no run: those that go on are waited for. None leaves it as it is."""
    _require_own(target, by)
    target = ComputeTarget.objects.select_for_update().get(pk=target.pk)
    before, changed = target.slots, []
    if slots is not None:
        target.slots = _slots(slots)
        changed.append("slots")
    if description is not None:
        target.description = _description(description)
        changed.append("description")
    if changed:
        target.save(update_fields=changed)
        record("compute.update", by=by, workspace=target.workspace, subject=target.name, slots=target.slots)
    if target.slots > before:
        waiting = Run.objects.filter(compute_target=target, status=RunStatus.QUEUED).count()
        for _ in range(min(waiting, target.slots - before)):
            dispatch.wake_target(target)
    return target


@transaction.atomic
def delete_target(target: ComputeTarget, *, by: User) -> None:
    """Conflict while a run on it is not final. Runs of the past go on naming it, and its name can be given again."""
    _require_own(target, by)
    ComputeTarget.objects.select_for_update().get(pk=target.pk)  # waits for submissions that refer to it
    unfinished = Run.objects.filter(compute_target=target).exclude(status__in=RUN_FINAL).count()
    if unfinished:
        runs = "1 run that has" if unfinished == 1 else f"{unfinished} runs that have"
        raise Conflict(f"{target.name} has {runs} not ended; cancel them, or wait.", runs=unfinished)
    if ComputeTarget.objects.there().filter(pk=target.pk).update(deleted_at=Now()):
        record("compute.delete", by=by, workspace=target.workspace, subject=target.name)


def _require_own(target: ComputeTarget, by: User) -> None:
    if target.workspace is None:
        raise NotAllowed(
            f"{target.name} is shared by all workspaces; an administrator changes it in the administration."
        )
    require(Role.CONTRIBUTOR, target.workspace, by)


def _name(name: str) -> None:
    try:
        ComputeTarget._meta.get_field("name").run_validators(name)
    except ValidationError:
        raise BadInput(
            f"{storable(name)[:80]!r} cannot name a compute target: 2 to 63 letters, digits or hyphens, "
            "the first one no hyphen.",
            field="name",
        ) from None


def _slots(slots: int) -> int:
    limit = settings.COMPUTE_SLOTS
    if not 1 <= slots <= limit:
        raise BadInput(f"A compute target has 1 to {limit} slots (MLPORTAL_COMPUTE_SLOTS).", field="slots", limit=limit)
    return slots


def _description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise BadInput(f"A description has at most {MAX_DESCRIPTION} characters.", field="description")
    return str(storable(text.strip()))
