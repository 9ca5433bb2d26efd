"""What the registry says of models beside their files: names, descriptions, tags, aliases, stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from mlportal.access.models import User, Workspace
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict, NotAllowed
from models_registry.models import ModelAlias, ModelVersion, RegisteredModel, Stage
from models_registry.models.registry import alias_name
from models_registry.services.checks import described, named, pairs, require_changer

MAX_ALIASES = 100


@transaction.atomic
def create_model(
    workspace: Workspace,
    name: str,
    *,
    description: str = "",
    tags: Mapping[str, Any] | None = None,
    by: User | RunPrincipal,
) -> RegisteredModel:
    """One without versions yet, which a running script makes, too. Conflict `exists`."""
    if isinstance(by, RunPrincipal):
        if by.workspace_id != workspace.pk:
            raise NotAllowed("A run's token makes models in its own workspace.")
    else:
        require(Role.CONTRIBUTOR, workspace, by)
    person = person_behind(by)
    name = named(name)
    about = {"description": described(description), "tags": pairs(tags or {}, "tags"), "created_by": person}
    model, made = RegisteredModel.objects.get_or_create(workspace=workspace, name=name, defaults=about)
    if not made:
        raise Conflict(f"There is a model named {name!r} already.", code="exists")
    record("model.create", by=person, workspace=workspace, subject=name)
    return model


@transaction.atomic
def rename_model(model: RegisteredModel, name: str, *, by: User) -> None:
    """Its services go on, and its versions keep their numbers. Conflict `exists` when another model has the name."""
    require(Role.CONTRIBUTOR, model.workspace, by)
    name, old = named(name), model.name
    if name == old:
        return
    try:
        with transaction.atomic():
            RegisteredModel.objects.filter(pk=model.pk).update(name=name, updated_at=timezone.now())
    except IntegrityError:
        raise Conflict(f"There is a model named {name!r} already.", code="exists") from None
    model.refresh_from_db(fields=["name", "updated_at"])
    record("model.rename", by=by, workspace=model.workspace, subject=name, old=old)


@transaction.atomic
def update_model(
    model: RegisteredModel,
    *,
    description: str | None = None,
    add_tags: Mapping[str, Any] | None = None,
    remove_tags: Iterable[str] = (),
    by: User,
) -> None:
    """What people say of the model as a whole. What is not named stays."""
    require(Role.CONTRIBUTOR, model.workspace, by)
    RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)  # tags are merged
    model.refresh_from_db(fields=["tags"])
    if description is not None:
        model.description = described(description)
    gone = set(remove_tags)
    kept = {name: value for name, value in model.tags.items() if name not in gone}
    model.tags = pairs({**kept, **(add_tags or {})}, "tags")
    model.updated_at = timezone.now()
    model.save(update_fields=["description", "tags", "updated_at"])
    record("model.update", by=by, workspace=model.workspace, subject=model)


@transaction.atomic
def set_alias(version: ModelVersion, name: str, *, by: User | RunPrincipal) -> ModelAlias:
    """Point the name to this version; it points to no other one any more."""
    model = version.model
    require_changer(version, by)
    try:
        alias_name(name)
    except ValidationError as error:
        raise BadInput(f"{name[:255]!r} is no alias: {error.message}", field="alias") from None
    RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)
    there = model.aliases.filter(name=name).select_related("version__model__workspace").first()
    if isinstance(by, RunPrincipal) and there is not None:
        require_changer(there.version, by)  # a script does not take from others what they point to
    if model.aliases.exclude(name=name).count() >= MAX_ALIASES:
        raise BadInput(f"A model has at most {MAX_ALIASES} aliases.", field="alias")
    alias, _ = ModelAlias.objects.update_or_create(model=model, name=name, defaults={"version": version})
    RegisteredModel.objects.filter(pk=model.pk).update(updated_at=timezone.now())
    record("model.alias", by=person_behind(by), workspace=model.workspace, subject=version, alias=name)
    return alias


@transaction.atomic
def remove_alias(model: RegisteredModel, name: str, *, by: User) -> None:
    """One that is not there is gone already."""
    require(Role.CONTRIBUTOR, model.workspace, by)
    gone, _ = model.aliases.filter(name=name).delete()
    if gone:
        RegisteredModel.objects.filter(pk=model.pk).update(updated_at=timezone.now())
        record("model.remove_alias", by=by, workspace=model.workspace, subject=model, alias=name)


@transaction.atomic
def set_stage(version: ModelVersion, stage: str, *, archive_others: bool = False, by: User | RunPrincipal) -> None:
    """`archive_others`: the versions that are in this stage now are archived; for Staging and Production only."""
    workspace = version.model.workspace
    require_changer(version, by)
    if archive_others and isinstance(by, RunPrincipal):
        raise NotAllowed("A run's token archives no versions of others.")
    if stage not in Stage.values:
        raise BadInput(
            f"Invalid Model Version stage: {stage[:50]!r}. There are {', '.join(Stage.values)}.", field="stage"
        )
    if archive_others and stage not in (Stage.STAGING, Stage.PRODUCTION):
        raise BadInput(
            f"Versions are archived in favour of one in Staging or Production, not in {stage}.", field="stage"
        )
    RegisteredModel.objects.select_for_update(no_key=True).get(pk=version.model_id)  # of two in Production one goes
    now = timezone.now()
    versions = ModelVersion.objects.filter(model=version.model_id)
    if archive_others:
        versions.filter(stage=stage).exclude(pk=version.pk).update(stage=Stage.ARCHIVED, updated_at=now)
    versions.filter(pk=version.pk).update(stage=stage, updated_at=now)
    version.refresh_from_db(fields=["stage", "updated_at"])
    record("model.stage", by=person_behind(by), workspace=workspace, subject=version, stage=stage)
