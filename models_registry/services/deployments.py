"""The life of a service, as people ask for it. The supervisor makes it so, and reports what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from mlportal.texts import storable
from models_registry.models import Deployment, GoldenReplay, ModelVersion, Revision
from models_registry.models.deployments import service_name
from models_registry.services import journal
from models_registry.services.checks import pairs
from models_registry.services.history import note_served
from models_registry.services.revisions import NO_INFERENCE, Inference, inference_of, make_revision
from models_registry.services.scaling import LIMITS, said_of, scaling_fields
from models_registry.services.standby import NO_STANDBY
from models_registry.status import DeploymentStatus, ReplicaState

RUNS = frozenset({DeploymentStatus.TRANSITIONING, DeploymentStatus.HEALTHY, DeploymentStatus.UNHEALTHY})
SCALING = frozenset(name for name, _ in LIMITS.values())
NAME_CHARACTERS = 32
MAX_DESCRIPTION = 500


def propose_service_name(version: ModelVersion) -> str:
    """A free name made of the model's: `Iris SVC` → `iris-svc`, and `iris-svc-2` when that is taken."""
    return _free_name(version.model.name)


@transaction.atomic
def deploy(
    *versions: ModelVersion,
    workspace: Workspace | None = None,
    name: str = "",
    description: str = "",
    tags: Mapping[str, Any] | None = None,
    auth_enabled: bool = True,
    cpu: float | None = None,
    memory_gb: float | None = None,
    inference: Inference = NO_INFERENCE,
    overwrite: bool = False,
    accept_changes: bool = False,
    scaling: Mapping[str, int] | None = None,
    by: User,
) -> Deployment:
    """A service of these models; without a name it gets the proposed one. `workspace` is needed without a model.

    Conflict, with a free name, when the name is taken. With `overwrite` the service of that name in the workspace is
    made of this instead, without an error for its callers. `accept_changes`: whatever its golden requests say.
    """
    workspace = workspace or versions[0].model.workspace
    require(Role.CONTRIBUTOR, workspace, by)
    revision = make_revision(
        workspace, versions, inference, cpu=cpu, memory_gb=memory_gb, accept_changes=accept_changes, by=by
    )
    base = versions[0].model.name if versions else PurePosixPath(revision.entry_script).stem
    name = name.strip() or _free_name(base)
    try:
        service_name(name)
    except ValidationError as error:
        raise BadInput(f"{name!r} cannot name a service: {error.message}", field="name") from None
    said: dict[str, Any] = {
        "description": _description(description),
        "tags": pairs(tags or {}, "tags"),
        "auth_enabled": auth_enabled,
    }
    said |= scaling_fields(scaling or {})
    there = Deployment.objects.filter(workspace=workspace, name=name).first() if overwrite else None
    if there is not None:
        make_of(there, revision, by=by, **said)
        return there
    try:
        with transaction.atomic():
            deployment = Deployment.objects.create(
                workspace=workspace, name=name, revision=revision, created_by=by, **said
            )
    except IntegrityError:
        free = _free_name(base)
        message = f"There is a service named {name} already; {free} is free."
        raise Conflict(message, code="name_taken", field="name", hint=free) from None
    deployment.events.create(
        new=DeploymentStatus.TRANSITIONING, reason=_said(f"{revision} deployed", revision), actor=by
    )
    record("deployment.create", by=by, workspace=workspace, subject=name, version=str(revision))
    return deployment


@transaction.atomic
def redeploy(deployment: Deployment, version: ModelVersion, *, accept_changes: bool = False, by: User) -> None:
    """Have this version answer instead, without an error for callers: the old one serves until the new one is ready.

    It goes on serving where golden requests of the new one are answered otherwise, unless with `accept_changes`.
    """
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    now = deployment.revision
    if len(now.versions) > 1:
        raise BadInput(f"{deployment} is made of {len(now.versions)} models: say all of them.", field="models")
    given_up = deployment.replicas.filter(revision=now, state=ReplicaState.FAILED).exists()
    if now.versions == [version] and deployment.status in RUNS and not given_up:
        raise Conflict(f"{version} is what {deployment} is made of already.", field="version")
    make_of(deployment, changed_revision(now, [version], None, by, accept_changes), by=by)


@transaction.atomic
def accept_changes(deployment: Deployment, *, by: User) -> None:
    """Deploy what golden requests refused, with the answers that it gives. Conflict when nothing was refused."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    replay = GoldenReplay.objects.filter(deployment=deployment).exclude(refused=None).select_related("refused").first()
    if replay is None or replay.refused is None:
        raise Conflict(f"No golden request of {deployment} is answered otherwise than it ought to be.")
    make_of(deployment, changed_revision(replay.refused, None, None, by, accept_changes=True), by=by)


@transaction.atomic
def update(
    deployment: Deployment,
    *,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    auth_enabled: bool | None = None,
    versions: Sequence[ModelVersion] | None = None,
    inference: Inference | None = None,
    accept_changes: bool = False,
    scaling: Mapping[str, int] | None = None,
    by: User,
) -> None:
    """Change what is given; None leaves a thing as it is. Other models, or another way to serve them, are a redeployment.

    `NO_INFERENCE` has the model serve itself again.
    """
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    said: dict[str, Any] = {}
    if description is not None:
        said["description"] = _description(description)
    if tags is not None:
        said["tags"] = pairs(tags, "tags")
    if auth_enabled is not None:
        said["auth_enabled"] = auth_enabled
    if scaling:
        said |= scaling_fields(scaling, least=deployment.min_replicas, most=deployment.max_replicas)
    if versions is not None or inference is not None:
        make_of(
            deployment, changed_revision(deployment.revision, versions, inference, by, accept_changes), by=by, **said
        )
        return
    changed = {field: value for field, value in said.items() if getattr(deployment, field) != value}
    if not changed:
        return
    key = {True: "callers need a key", False: "callers need no key"}.get(changed.get("auth_enabled"))  # type: ignore[arg-type]
    reasons = [f"{field} changed" for field in ("description", "tags") if field in changed] + ([key] if key else [])
    if changed.keys() & SCALING:
        low, high = (changed.get(name, getattr(deployment, name)) for name in ("min_replicas", "max_replicas"))
        reasons.append(said_of(low, high))
    journal.note(deployment, ", ".join(reasons), by=by, **changed)
    record("deployment.update", by=by, workspace=deployment.workspace, subject=deployment, changed=sorted(changed))


def changed_revision(
    now: Revision,
    versions: Sequence[ModelVersion] | None,
    inference: Inference | None,
    by: User,
    accept_changes: bool = False,
) -> Revision:
    """Another one like `now`, but for what is given."""
    return make_revision(
        now.workspace,
        now.versions if versions is None else versions,
        inference_of(now) if inference is None else inference,
        cpu=now.cpu,
        memory_gb=now.memory_gb,
        accept_changes=accept_changes,
        by=by,
    )


def make_of(deployment: Deployment, revision: Revision, *, by: User, said: str = "", **fields: Any) -> None:
    """Have this revision answer as soon as its replicas are ready; what answers now does so until then."""
    workspace = deployment.workspace
    journal.ask(
        deployment,
        DeploymentStatus.TRANSITIONING,
        _said(said or f"redeployed with {revision}", revision),
        by=by,
        revision=revision,
        wanted=True,
        failure="",
        **fields,
    )
    GoldenReplay.objects.filter(deployment=deployment).update(refused=None)
    Revision.objects.unused(workspace).delete()
    accepted = {"accept_changes": True} if revision.accept_changes else {}
    record("deployment.redeploy", by=by, workspace=workspace, subject=deployment, version=str(revision), **accepted)


def _said(what: str, revision: Revision) -> str:
    what = f"{what}, whatever its golden requests answer" if revision.accept_changes else what
    return f"{what}. {revision.note}" if revision.note else what


@transaction.atomic
def stop(deployment: Deployment, *, by: User) -> None:
    """Answer no more and give the memory back; what is being answered is answered. Stopping twice changes nothing."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    if deployment.status == DeploymentStatus.STOPPED:
        return
    journal.ask(
        deployment,
        DeploymentStatus.STOPPED,
        "stopped",
        by=by,
        wanted=False,
        live_revision=None,
        failure="",
        **NO_STANDBY,
    )
    note_served(deployment, "stopped", by=by)
    Revision.objects.unused(deployment.workspace).delete()
    record("deployment.stop", by=by, workspace=deployment.workspace, subject=deployment)


@transaction.atomic
def start(deployment: Deployment, *, by: User) -> None:
    """Start a stopped or failed service again. Conflict when it runs."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    if deployment.status in RUNS:
        raise Conflict(f"{deployment} is started already.")
    journal.ask(deployment, DeploymentStatus.TRANSITIONING, "started", by=by, wanted=True, failure="")
    record("deployment.start", by=by, workspace=deployment.workspace, subject=deployment)


@transaction.atomic
def delete(deployment: Deployment, *, by: User) -> None:
    """The service, its keys and its request log are gone; the supervisor ends what ran for it."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    workspace = deployment.workspace
    record("deployment.delete", by=by, workspace=workspace, subject=deployment)
    deployment.delete()
    Revision.objects.unused(workspace).delete()


def _description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise BadInput(f"A description has at most {MAX_DESCRIPTION} characters.", field="description")
    return str(storable(text.strip()))


def _free_name(words: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    base = words if re.match(r"[a-z]", words) else f"model-{words}".strip("-")
    base = base[: NAME_CHARACTERS - 5].strip("-")
    if len(base) < 3:
        base = f"{base}-model"
    taken = set(Deployment.objects.filter(name__startswith=base).values_list("name", flat=True))
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
