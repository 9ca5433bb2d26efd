"""Models come from runs: registering refers to the run's files and remembers how they came about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q

from experiments.models import Artifact, EnvironmentVersion, Run
from experiments.snapshots import NameRefused, clean_name
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from mlportal.texts import storable
from models_registry.models import Deployment, ModelFile, ModelVersion, RegisteredModel
from models_registry.models.registry import Framework, model_name
from models_registry.services.inspecting import ask_for_inspection

MAX_TAGS = 100
MAX_DESCRIPTION = 5000


@transaction.atomic
def register_model(
    run: Run,
    *,
    name: str,
    path: str,
    framework: str = Framework.SCIKITLEARN,
    framework_version: str = "",
    cpu: float | None = None,
    memory_gb: float | None = None,
    description: str = "",
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    by: User,
) -> ModelVersion:
    """A new version of the model `name` from the file or folder `path` of the run; the model is made when it is new.

    Files are referred to, not copied. Raises BadInput naming the field, Conflict while the run has not stored the file.
    """
    require(Role.CONTRIBUTOR, run.workspace, by)
    if framework not in Framework.values:
        raise BadInput(f"{framework!r} is not a framework; there are {', '.join(Framework.values)}.", field="framework")
    folder, artifacts = _artifacts(run, path)
    model = _get_or_make_model(run.workspace, name, by=by)
    if framework == Framework.SCIKITLEARN:
        framework_version = framework_version or suggested_framework_version(run.environment_version)
    version = ModelVersion.objects.create(
        model=model,
        version=_next_number(model),
        run=run,
        path=folder,
        environment_version=run.environment_version,
        framework=framework,
        framework_version=storable(framework_version.strip())[:50],
        cpu=_amount(cpu, "cpu"),
        memory_gb=_amount(memory_gb, "memory_gb"),
        description=_description(description),
        tags=_pairs(tags or {}, "tags"),
        properties=_pairs(properties or {}, "properties"),
        size=sum(artifact.size for artifact in artifacts),
        created_by=by,
    )
    above = PurePosixPath(folder).parent
    ModelFile.objects.bulk_create(
        ModelFile(
            version=version,
            path=str(PurePosixPath(artifact.path).relative_to(above)),
            blob_id=artifact.blob_id,
            size=artifact.size,
        )
        for artifact in artifacts
    )
    record("model.register", by=by, workspace=run.workspace, subject=version, run=run.uid)
    ask_for_inspection(version)
    return version


def suggested_framework_version(environment: EnvironmentVersion | None) -> str:
    """The scikit-learn of the environment's lock; empty when it has none or is not resolved yet."""
    for line in environment.lock_text.splitlines() if environment else ():
        package, _, version = line.partition("==")
        if package == "scikit-learn":
            return version.strip()
    return ""


@transaction.atomic
def update_version(
    version: ModelVersion, *, description: str | None = None, tags: Mapping[str, Any] | None = None, by: User
) -> ModelVersion:
    """Change what people say of a version; its files and lineage never change."""
    workspace = version.model.workspace
    require(Role.CONTRIBUTOR, workspace, by)
    changed: list[str] = []
    if description is not None:
        version.description = _description(description)
        changed.append("description")
    if tags is not None:
        version.tags = _pairs(tags, "tags")
        changed.append("tags")
    if changed:
        version.save(update_fields=changed)
        record("model.update", by=by, workspace=workspace, subject=version, changed=changed)
    return version


@transaction.atomic
def delete_version(version: ModelVersion, *, by: User) -> None:
    """Its number is not given again. Conflict, naming the service, while one is made of it."""
    workspace = version.model.workspace
    require(Role.CONTRIBUTOR, workspace, by)
    _refuse_deployed(ModelVersion.objects.filter(pk=version.pk))
    record("model.delete_version", by=by, workspace=workspace, subject=version)
    version.delete()


@transaction.atomic
def delete_model(model: RegisteredModel, *, by: User) -> None:
    """The model with all its versions. Conflict, naming the service, while one is made of it."""
    require(Role.CONTRIBUTOR, model.workspace, by)
    _refuse_deployed(model.versions.all())
    record("model.delete", by=by, workspace=model.workspace, subject=model, versions=model.versions.count())
    model.delete()


def _refuse_deployed(versions: Any) -> None:
    users = Deployment.objects.filter(Q(version__in=versions) | Q(live_version__in=versions))
    names = sorted(set(users.values_list("name", flat=True)))
    if names:
        listed = ", ".join(names)
        raise Conflict(f"It is deployed as {listed}; delete that deployment first.", deployments=names)


def _artifacts(run: Run, path: str) -> tuple[str, list[Artifact]]:
    """The cleaned path, and the run's stored files at or below it."""
    try:
        name = clean_name(path.strip().removeprefix("./").rstrip("/"))
    except NameRefused as error:
        raise BadInput(str(error), field="path") from None
    # SQLite compares prefixes without regard to case; Python does not.
    candidates = Artifact.objects.filter(Q(path=name) | Q(path__startswith=f"{name}/"), run=run)
    found = [artifact for artifact in candidates if artifact.path == name or artifact.path.startswith(f"{name}/")]
    if found:
        return name, found
    if not run.is_final:
        raise Conflict(
            f"{name} is not stored yet: the run is {run.get_status_display().lower()}, and its outputs are stored "
            "when it ends. Register it then; files that the script uploads by name can be registered at once.",
            field="path",
            status=run.status,
        )
    there = list(run.artifacts.values_list("path", flat=True)[:10])
    raise BadInput(
        f"The run has no file or folder named {name!r}; it has {', '.join(there) or 'no files'}.",
        field="path",
        files=there,
    )


def _get_or_make_model(workspace: Workspace, name: str, *, by: User) -> RegisteredModel:
    name = name.strip()
    try:
        model_name(name)
    except ValidationError as error:
        raise BadInput(f"{name!r} cannot name a model: {error.message}", field="name") from None
    model, made = RegisteredModel.objects.get_or_create(workspace=workspace, name=name, defaults={"created_by": by})
    if made:
        record("model.create", by=by, workspace=workspace, subject=name)
    return model


def _next_number(model: RegisteredModel) -> int:
    """Counts up by one whoever asks at the same time: the update locks the row until the transaction ends."""
    RegisteredModel.objects.filter(pk=model.pk).update(last_version=F("last_version") + 1)
    model.refresh_from_db(fields=["last_version"])
    return model.last_version


def _amount(value: float | None, field: str) -> float | None:
    if value is not None and not (math.isfinite(value) and 0 < value <= 10_000):
        raise BadInput(f"{field} is a number above 0.", field=field)
    return value


def _description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise BadInput(f"A description has at most {MAX_DESCRIPTION} characters.", field="description")
    return str(storable(text.strip()))


def _pairs(values: Mapping[str, Any], field: str) -> dict[str, str]:
    if len(values) > MAX_TAGS:
        raise BadInput(f"There are at most {MAX_TAGS} {field}.", field=field)
    for key in values:
        if not key or len(key) > 250:
            raise BadInput(f"A name among the {field} has 1 to 250 characters.", field=field)
    return {str(storable(key)): str(storable(str(value)))[:5000] for key, value in values.items()}
