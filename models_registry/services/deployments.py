"""The life of a service, as people ask for it. The supervisor makes it so, and reports what came of it."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from mlportal.access.models import User
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from models_registry.models import Deployment, ModelVersion
from models_registry.models.deployments import service_name
from models_registry.services import journal
from models_registry.services.files import main_file
from models_registry.status import DeploymentStatus

RUNS = frozenset({DeploymentStatus.TRANSITIONING, DeploymentStatus.HEALTHY, DeploymentStatus.UNHEALTHY})
NAME_CHARACTERS = 32


def propose_service_name(version: ModelVersion) -> str:
    """A free name made of the model's: `Iris SVC` → `iris-svc`, and `iris-svc-2` when that is taken."""
    words = re.sub(r"[^a-z0-9]+", "-", version.model.name.lower()).strip("-")
    base = words if re.match(r"[a-z]", words) else f"model-{words}".strip("-")
    base = base[: NAME_CHARACTERS - 5].strip("-")
    if len(base) < 3:
        base = f"{base}-model"
    taken = set(Deployment.objects.filter(name__startswith=base).values_list("name", flat=True))
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def deploy(
    version: ModelVersion, *, name: str = "", description: str = "", auth_enabled: bool = True, by: User
) -> Deployment:
    """A service of this version; without a name it gets the proposed one. Conflict, with a free name, when it is taken."""
    workspace = version.model.workspace
    require(Role.CONTRIBUTOR, workspace, by)
    _require_servable(version)
    name = name.strip() or propose_service_name(version)
    try:
        service_name(name)
    except ValidationError as error:
        raise BadInput(f"{name!r} cannot name a service: {error.message}", field="name") from None
    if len(description) > 500:
        raise BadInput("A description has at most 500 characters.", field="description")
    try:
        with transaction.atomic():
            deployment = Deployment.objects.create(
                workspace=workspace,
                name=name,
                description=description.strip(),
                version=version,
                auth_enabled=auth_enabled,
                created_by=by,
            )
            deployment.events.create(new=DeploymentStatus.TRANSITIONING, reason=f"{version} deployed", actor=by)
            record("deployment.create", by=by, workspace=workspace, subject=name, version=str(version))
    except IntegrityError:
        free = propose_service_name(version)
        message = f"There is a service named {name} already; {free} is free."
        raise Conflict(message, code="name_taken", field="name", hint=free) from None
    return deployment


def redeploy(deployment: Deployment, version: ModelVersion, *, by: User) -> None:
    """Have this version answer instead, without an error for callers: the old one serves until the new one is ready."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    if version.model.workspace_id != deployment.workspace_id:
        raise BadInput("The version belongs to another workspace.", field="version")
    _require_servable(version)
    if deployment.version_id == version.pk and deployment.status in RUNS:
        raise Conflict(f"{version} is what {deployment} is made of already.", field="version")
    with transaction.atomic():
        journal.ask(
            deployment,
            DeploymentStatus.TRANSITIONING,
            f"redeployed with {version}",
            by=by,
            version=version,
            wanted=True,
            failure="",
        )
        record("deployment.redeploy", by=by, workspace=deployment.workspace, subject=deployment, version=str(version))


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
        socket="",
        live_version=None,
        replica={},
        failure="",
    )
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
    record("deployment.delete", by=by, workspace=deployment.workspace, subject=deployment)
    deployment.delete()


def _require_servable(version: ModelVersion) -> None:
    if version.environment_version_id is None:
        raise BadInput(
            f"{version} cannot be served: its run had no environment, so nobody knows what it needs.", field="version"
        )
    if main_file(version) is None:
        raise BadInput(
            f"{version} cannot be served: its folder has no single file that is the model. Register the file itself, "
            "or name it model.joblib or model.pkl.",
            field="version",
        )
