"""Models come from runs, whose files are referred to and remember how they came about, or from somebody's own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import PurePosixPath
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from experiments.models import Artifact, EnvironmentVersion, LoggedModel, Run
from experiments.services import uploads
from experiments.services.logged_models import require_model_writer
from experiments.services.runs import require_writer
from experiments.snapshots import NameRefused, clean_name
from mlportal.access.models import User, Workspace
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from mlportal.texts import storable
from models_registry.models import Deployment, ModelFile, ModelVersion, RegisteredModel, Revision
from models_registry.models.registry import Framework
from models_registry.services import golden
from models_registry.services.checks import amount, described, named, pairs, require_changer
from models_registry.services.inspecting import ask_for_inspection
from models_registry.services.mlmodel import read_mlmodel, scikit_learn_of
from models_registry.services.samples import copy_sample

MODEL_FOLDER = "model"  # in which the files of a logged model are


class About(TypedDict, total=False):
    """What people say of a new version. `source` and `run_link` are MLflow's, kept as they came."""

    framework: str
    framework_version: str
    cpu: float | None
    memory_gb: float | None
    description: str
    tags: Mapping[str, Any]
    properties: Mapping[str, Any]
    source: str
    run_link: str
    golden: Sequence[Any]  # as in golden_requests.json


class Changes(TypedDict, total=False):
    """What may be changed later. `tags` are all of them; `add_tags` and `remove_tags` leave others' alone; `add_properties`
    are written once."""

    framework_version: str
    cpu: float | None
    memory_gb: float | None
    description: str
    tags: Mapping[str, Any]
    add_tags: Mapping[str, Any]
    remove_tags: Sequence[str]
    add_properties: Mapping[str, Any]


@transaction.atomic
def register_model(
    run: Run,
    *,
    name: str,
    path: str,
    environment_version: EnvironmentVersion | None = None,
    by: User | RunPrincipal,
    **about: Unpack[About],
) -> ModelVersion:
    """A new version of the model `name` from the file or folder `path` of the run; the model is made when it is new.

    It is served in the run's environment unless another one is given. Files are referred to, not copied. Raises BadInput
    naming the field, Conflict while the run has not stored the file. A run's token registers from its own runs.
    """
    require_writer(run, by)
    folder, artifacts = _artifacts(run, path)
    above = PurePosixPath(folder).parent
    files = [(str(PurePosixPath(each.path).relative_to(above)), each.blob_id, each.size) for each in artifacts]
    environment_version = environment_version or run.environment_version
    version = _create(
        run.workspace,
        name,
        files,
        environment_version,
        about,
        by=person_behind(by),
        run=run,
        path=folder,
        beside=dict(run.artifacts.filter(path=str(above / golden.FILE)).values_list("path", "blob_id")),
    )
    record("model.register", by=person_behind(by), workspace=run.workspace, subject=version, run=run.uid)
    return version


@transaction.atomic
def register_logged_model(
    logged: LoggedModel,
    *,
    name: str,
    environment_version: EnvironmentVersion | None = None,
    by: User | RunPrincipal,
    **about: Unpack[About],
) -> ModelVersion:
    """A new version of the model `name` from what a run logged as a model; BadInput while it has no files."""
    require_model_writer(logged, by)
    files = [(f"{MODEL_FOLDER}/{file.path}", file.blob_id, file.size) for file in logged.files.all()]
    if not files:
        raise BadInput(f"The logged model {logged.uid} has no files.", field="logged_model")
    run = logged.run
    environment_version = environment_version or (run.environment_version if run else None)
    version = _create(
        logged.workspace,
        name,
        files,
        environment_version,
        about,
        by=person_behind(by),
        run=run,
        path=MODEL_FOLDER,
        logged=logged,
    )
    record("model.register", by=person_behind(by), workspace=logged.workspace, subject=version, logged=logged.uid)
    return version


@transaction.atomic
def copy_version(original: ModelVersion, *, name: str, by: User, **about: Unpack[About]) -> ModelVersion:
    """The same files and lineage as the next version of another model, or of the same one."""
    workspace = original.model.workspace
    require(Role.CONTRIBUTOR, workspace, by)
    files = list(original.files.values_list("path", "blob_id", "size"))
    told: About = {
        "framework": original.framework,
        "framework_version": original.framework_version,
        "cpu": original.cpu,
        "memory_gb": original.memory_gb,
        **about,
    }
    version = _create(
        workspace,
        name,
        files,
        original.environment_version,
        told,
        by=by,
        run=original.run,
        path=original.path,
        logged=original.logged_model,
    )
    copy_sample(original, version)
    golden.copy_golden(original, version)
    record("model.register", by=by, workspace=workspace, subject=version, copy_of=str(original))
    return version


@transaction.atomic
def register_files(
    workspace: Workspace,
    entries: Sequence[uploads.Named],
    *,
    name: str,
    environment_version: EnvironmentVersion | None = None,
    by: User,
    **about: Unpack[About],
) -> ModelVersion:
    """A new version of the model `name` from files that the workspace has, such as those that somebody has just uploaded.

    Raises Conflict `blobs_missing` with the digests to upload.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    limits = uploads.Limits(
        files=settings.RUN_OUTPUT_FILES,
        files_setting="MLPORTAL_OUTPUT_FILES",
        size=settings.RUN_OUTPUT_BYTES,
        size_setting="MLPORTAL_OUTPUT_LIMIT",
    )
    manifest = uploads.named_manifest(workspace, entries, limits)
    files = [(entry.name, entry.sha256, entry.size) for entry in manifest.entries]
    version = _create(
        workspace, name, files, environment_version, about, by=by, path=_common([path for path, _, _ in files])
    )
    record("model.register", by=by, workspace=workspace, subject=version, files=len(files))
    return version


def _create(
    workspace: Workspace,
    name: str,
    files: Sequence[tuple[str, str, int]],
    environment_version: EnvironmentVersion | None,
    about: About,
    *,
    by: User,
    path: str,
    run: Run | None = None,
    logged: LoggedModel | None = None,
    beside: Mapping[str, str] | None = None,
) -> ModelVersion:
    """`beside`: {path: digest} of a file with golden requests that is no part of the model."""
    framework, framework_version = about.get("framework", Framework.SCIKITLEARN), about.get("framework_version", "")
    if framework not in Framework.values:
        raise BadInput(f"{framework!r} is not a framework; there are {', '.join(Framework.values)}.", field="framework")
    if environment_version and environment_version.environment.workspace_id != workspace.pk:
        raise BadInput("The environment belongs to another workspace.", field="environment")
    mlmodel = read_mlmodel({path: digest for path, digest, _ in files})
    if framework == Framework.SCIKITLEARN:
        framework_version = framework_version or scikit_learn_of(mlmodel)
        framework_version = framework_version or suggested_framework_version(environment_version)
    model = _get_or_make_model(workspace, name, by=by)
    version = ModelVersion.objects.create(
        model=model,
        version=_next_number(model),
        run=run,
        snapshot=run.snapshot if run else None,
        logged_model=logged,
        from_files=run is None and logged is None,
        path=path,
        environment_version=environment_version,
        framework=framework,
        framework_version=_framework_version(framework_version),
        cpu=amount(about.get("cpu"), "cpu"),
        memory_gb=amount(about.get("memory_gb"), "memory_gb"),
        description=described(about.get("description", "")),
        tags=pairs(about.get("tags") or {}, "tags"),
        properties=pairs(about.get("properties") or {}, "properties"),
        mlmodel=mlmodel,
        example=(mlmodel or {}).get("example"),
        source=about.get("source", ""),
        run_link=about.get("run_link", ""),
        size=sum(size for _, _, size in files),
        created_by=by,
    )
    ModelFile.objects.bulk_create(
        (ModelFile(version=version, path=file, blob_id=digest, size=size) for file, digest, size in files),
        batch_size=1000,
    )
    for item in golden.brought_along(
        {file: digest for file, digest, _ in files}, beside or {}, about.get("properties") or {}
    ):
        golden.save_golden(version, by=by, **item)
    golden.save_golden_items(version, list(about.get("golden") or []), by=by)
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
def update_version(version: ModelVersion, *, by: User | RunPrincipal, **changes: Unpack[Changes]) -> ModelVersion:
    """Change what people say of a version; its files and lineage never change. What is not named stays.

    Conflict `exists` names the properties that have another value already.
    """
    workspace = version.model.workspace
    require_changer(version, by)
    ModelVersion.objects.select_for_update().get(pk=version.pk)  # properties and tags are merged
    version.refresh_from_db(fields=["properties", "tags"])
    fields: dict[str, Any] = {}
    if "description" in changes:
        fields["description"] = described(changes["description"])
    if "framework_version" in changes:
        fields["framework_version"] = _framework_version(changes["framework_version"])
    if "cpu" in changes:
        fields["cpu"] = amount(changes["cpu"], "cpu")
    if "memory_gb" in changes:
        fields["memory_gb"] = amount(changes["memory_gb"], "memory_gb")
    if {"tags", "add_tags", "remove_tags"} & changes.keys():
        kept = changes.get("tags", version.tags)
        gone = set(changes.get("remove_tags", ()))
        kept = {name: value for name, value in kept.items() if name not in gone}
        fields["tags"] = pairs({**kept, **changes.get("add_tags", {})}, "tags")
    if "add_properties" in changes:
        fields["properties"] = _with_more(version.properties, pairs(changes["add_properties"], "properties"))
    for field, value in fields.items():
        setattr(version, field, value)
    if fields:
        version.updated_at = timezone.now()
        version.save(update_fields=[*fields, "updated_at"])
        record("model.update", by=person_behind(by), workspace=workspace, subject=version, changed=list(fields))
    return version


def _with_more(there: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    if others := sorted(name for name in there.keys() & more.keys() if there[name] != more[name]):
        listed = ", ".join(others[:10])
        raise Conflict(
            f"A property is written once; these have a value already: {listed}.", code="exists", names=others
        )
    return pairs({**there, **more}, "properties")


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
    """Conflict while a service is made of one of them; what it was made of earlier is forgotten."""
    used = (f"{which}__parts__version__in" for which in ("revision", "live_revision", "candidate"))
    users = Deployment.objects.filter(reduce(or_, (Q(**{name: versions}) for name in used)))
    names = sorted(set(users.values_list("name", flat=True)))
    if names:
        listed = ", ".join(names)
        raise Conflict(f"It is deployed as {listed}; delete that deployment first.", deployments=names)
    golden.let_go(versions)
    Revision.objects.filter(parts__version__in=versions).delete()


def _artifacts(run: Run, path: str) -> tuple[str, list[Artifact]]:
    """The cleaned path, and the run's stored files at or below it."""
    try:
        name = clean_name(path.strip().removeprefix("./").rstrip("/"))
    except NameRefused as error:
        raise BadInput(str(error), field="path") from None
    if found := list(run.artifacts.filter(path=name) | run.artifacts.below(name)):
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
    name = named(name)
    model, made = RegisteredModel.objects.get_or_create(workspace=workspace, name=name, defaults={"created_by": by})
    if made:
        record("model.create", by=by, workspace=workspace, subject=name)
    return model


def _next_number(model: RegisteredModel) -> int:
    """Counts up by one whoever asks at the same time: the update locks the row until the transaction ends."""
    RegisteredModel.objects.filter(pk=model.pk).update(last_version=F("last_version") + 1)
    model.refresh_from_db(fields=["last_version"])
    return model.last_version


def _framework_version(text: str) -> str:
    return str(storable(text.strip()))[:50]


def _common(paths: Sequence[str]) -> str:
    """The only file, the folder that all are in, or nothing."""
    if len(paths) == 1:
        return paths[0]
    first = {path.partition("/")[0] for path in paths}
    return first.pop() if len(first) == 1 else ""
