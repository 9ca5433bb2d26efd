"""Registered models that were made elsewhere: with the numbers, times and stages that they have there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from experiments.models import LoggedModel, Run
from experiments.services.uploads import refusals
from experiments.snapshots import clean_name, refuse_conflicts
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from models_registry.models import ModelAlias, ModelFile, ModelVersion, RegisteredModel
from models_registry.models.registry import alias_name
from models_registry.services.checks import named
from models_registry.services.inspecting import ask_for_inspection
from models_registry.services.mlmodel import read_mlmodel, scikit_learn_of


@dataclass(frozen=True)
class ImportedVersion:
    """`files` are (path, digest, size); `path`: what they have in common."""

    number: int
    run: Run | None
    logged_model: LoggedModel | None
    path: str
    files: Sequence[tuple[str, str, int]]
    stage: str
    source: str
    run_link: str
    description: str
    created_at: datetime | None
    updated_at: datetime | None
    created_by: User | None
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def import_model(
    workspace: Workspace,
    name: str,
    *,
    description: str,
    tags: Mapping[str, str],
    created_at: datetime | None,
    updated_at: datetime | None,
    by: User,
) -> tuple[RegisteredModel, list[str]]:
    """The model, and what one that is here says otherwise: that stays. BadInput for a name that no model has."""
    require(Role.CONTRIBUTOR, workspace, by)
    if named(name) != name:
        raise BadInput("A model's name neither begins nor ends with a blank.", field="name")
    now = timezone.now()
    about = {
        "description": description,
        "tags": dict(tags),
        "created_by": by,
        "created_at": created_at or now,
        "updated_at": updated_at or created_at or now,
    }
    model, made = RegisteredModel.objects.get_or_create(workspace=workspace, name=name, defaults=about)
    if made:
        record("model.create", by=by, workspace=workspace, subject=name)
        return model, []
    model = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    others = [f"tag {key}" for key, value in sorted(tags.items()) if model.tags.get(key, value) != value]
    if model.description and model.description != description:
        others.append("description")
    merged = {**tags, **model.tags}
    if merged != model.tags or (description and not model.description):
        model.tags, model.description = merged, model.description or description
        model.save(update_fields=["tags", "description"])
    return model, others


@transaction.atomic
def import_version(model: RegisteredModel, item: ImportedVersion, *, by: User) -> ModelVersion:
    """With the number that it has elsewhere, which must be free here. Conflict `exists`."""
    require(Role.CONTRIBUTOR, model.workspace, by)
    RegisteredModel.objects.select_for_update().get(pk=model.pk)
    if model.versions.filter(version=item.number).exists():
        raise Conflict(f"There is a version {model.name}:{item.number} already.", code="exists")
    now = timezone.now()
    version = ModelVersion(
        model=model,
        version=item.number,
        run=item.run,
        logged_model=item.logged_model,
        from_files=item.run is None and item.logged_model is None,
        environment_version=item.run.environment_version if item.run else None,
        stage=item.stage,
        source=item.source,
        run_link=item.run_link,
        description=item.description,
        tags=dict(item.tags),
        properties=dict(item.properties),
        created_by=item.created_by,
        created_at=item.created_at or now,
        updated_at=item.updated_at or item.created_at or now,
    )
    version.save(force_insert=True)
    _give_files(version, item)
    highest = RegisteredModel.objects.filter(pk=model.pk).filter(last_version__lt=item.number)
    highest.update(last_version=item.number)
    record("model.register", by=by, workspace=model.workspace, subject=version, files=len(item.files))
    return version


@transaction.atomic
def complete_version(version: ModelVersion, item: ImportedVersion, *, by: User) -> None:
    """Its files could not be had when it was imported."""
    require(Role.CONTRIBUTOR, version.model.workspace, by)
    ModelVersion.objects.select_for_update().get(pk=version.pk)
    if version.files.exists():
        raise Conflict(f"{version} has files already.", code="exists")
    _give_files(version, item)


@transaction.atomic
def import_alias(version: ModelVersion, name: str, *, by: User) -> bool:
    """Whether it points to this version now; one that points to another version here stays. BadInput."""
    require(Role.CONTRIBUTOR, version.model.workspace, by)
    try:
        alias_name(name)
    except ValidationError as error:
        raise BadInput(f"{name[:255]!r} is no alias: {error.message}", field="alias") from None
    alias, _ = ModelAlias.objects.get_or_create(model=version.model, name=name, defaults={"version": version})
    return alias.version_id == version.pk


def _give_files(version: ModelVersion, item: ImportedVersion) -> None:
    """The bytes are referred to by what they come from, or were stored a moment ago."""
    with refusals():
        files = [(clean_name(path), digest, size) for path, digest, size in item.files]
        refuse_conflicts(path for path, _, _ in files)
    mlmodel = read_mlmodel({path: digest for path, digest, _ in files})
    ModelVersion.objects.filter(pk=version.pk).update(
        path=item.path,
        mlmodel=mlmodel,
        example=(mlmodel or {}).get("example"),
        framework_version=scikit_learn_of(mlmodel)[:50],
        size=sum(size for _, _, size in files),
    )
    ModelFile.objects.bulk_create(
        (ModelFile(version=version, path=path, blob_id=digest, size=size) for path, digest, size in files),
        batch_size=1000,
    )
    version.refresh_from_db()
    if files:
        ask_for_inspection(version)
