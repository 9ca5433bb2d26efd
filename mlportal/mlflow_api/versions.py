"""The model registry: versions. Each is made of files that the portal has: of a run, of a logged model, of another version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from django.db.models import Max, QuerySet

from mlportal.errors import BadInput
from mlportal.mlflow_api import logged_models, names
from mlportal.mlflow_api.call import Call, Json
from mlportal.mlflow_api.errors import invalid, not_there
from mlportal.mlflow_api.places import REGISTRY, LoggedFiles, RunFiles, VersionFiles, place_of
from mlportal.mlflow_api.reading import offset_of, token_of
from mlportal.mlflow_api.registered import find, tag_of, tags_of
from mlportal.mlflow_api.shapes import milliseconds, pairs
from models_registry import services
from models_registry.models import ModelVersion, RegisteredModel
from models_registry.search import search_versions
from models_registry.services import mlflow_files

MAX_RESULTS: Final = 200_000
DEFAULT_RESULTS: Final = 10_000
ARTIFACTS: Final = "mlflow-artifacts:"
_MODEL_ID: Final = re.compile(r"models:/(m-[0-9a-f]{32})/?")
_OTHER: Final = re.compile(r"models:/([^/@]+)/(\d{1,9})/?")
_RUN: Final = re.compile(r"runs:/([0-9a-f]{32})/(.+)")


def create(call: Call) -> Json:
    """The model has to be there; the files stay where they are, and belong to both."""
    model = find(call)
    source, model_id = call.text("source"), call.text("model_id", required=False)
    about: Any = {
        "description": call.text("description", required=False),
        "tags": tags_of(call),
        "source": source,
        "run_link": call.text("run_link", required=False),
    }
    made = _register(call, model, source, model_id, call.text("run_id", required=False), about)
    return {"model_version": version_json(made)}


def get(call: Call) -> Json:
    return {"model_version": version_json(_version(call))}


def update(call: Call) -> Json:
    found = _version(call)
    services.update_version(found, description=call.text("description", required=False), by=call.by)
    return {"model_version": version_json(found)}


def delete(call: Call) -> Json:
    services.delete_version(_version(call), by=call.person)
    return {}


def set_tag(call: Call) -> Json:
    services.update_version(_version(call), add_tags=tag_of(call), by=call.by)
    return {}


def delete_tag(call: Call) -> Json:
    services.update_version(_version(call), remove_tags=[call.text("key")], by=call.by)
    return {}


def set_stage(call: Call) -> Json:
    found = _version(call)
    archive = call.one("archive_existing_versions")
    services.set_stage(found, names.stage(call.text("stage")), archive_others=archive in (True, "true"), by=call.by)
    return {"model_version": version_json(found)}


def download_uri(call: Call) -> Json:
    return {"artifact_uri": address_of(_version(call))}


def search(call: Call) -> Json:
    most = call.integer("max_results", DEFAULT_RESULTS) or 0
    if not 1 <= most <= MAX_RESULTS:
        raise invalid(
            f"Invalid value for request parameter max_results. It must be between 1 and {MAX_RESULTS}, not {most}"
        )
    start = offset_of(call.text("page_token", required=False))
    there = _related(ModelVersion.objects.visible_to(call.by, call.workspace))
    found = search_versions(there, call.text("filter", required=False), call.texts("order_by"))
    page = list(found[start : start + most + 1])
    shape: Json = {}
    if page:
        shape["model_versions"] = [version_json(version) for version in page[:most]]
    if len(page) > most:
        shape["next_page_token"] = token_of(start + most)
    return shape


def version_json(version: ModelVersion) -> Json:
    shape: Json = {
        "name": version.model.name,
        "version": str(version.version),
        "creation_timestamp": milliseconds(version.created_at),
        "last_updated_timestamp": milliseconds(max(version.updated_at, version.created_at)),
        "current_stage": version.stage,
        "source": version.source or root_of(version),
        "status": "READY",
    }
    if version.created_by:
        shape["user_id"] = version.created_by.get_username()
    if version.run:
        shape["run_id"] = version.run.uid
    if version.logged_model and version.logged_model.deleted_at is None:
        shape["model_id"] = version.logged_model.uid
    for field in ("description", "run_link"):
        if said := getattr(version, field):
            shape[field] = said
    if version.tags:
        shape["tags"] = pairs(version.tags)
    if aliases := [alias.name for alias in version.aliases.all()]:
        shape["aliases"] = aliases
    return shape


def root_of(version: ModelVersion) -> str:
    """Where all of its files are to be had, whatever became of its run."""
    return f"{ARTIFACTS}/{REGISTRY}/{version.model_id}/{version.version}"


def address_of(version: ModelVersion) -> str:
    """The folder with its MLmodel."""
    root = root_of(version)
    folder = mlflow_files.root_of(version)
    return f"{root}/{folder}" if folder else root


def latest_of(models: Sequence[int]) -> dict[int, list[ModelVersion]]:
    """By the key of each model: the newest version of each stage that it has."""
    newest = (
        ModelVersion.objects.filter(model__in=models).order_by().values("model", "stage").annotate(pk__max=Max("pk"))
    )
    found: dict[int, list[ModelVersion]] = {}
    for version in _related(ModelVersion.objects.filter(pk__in=[row["pk__max"] for row in newest])).order_by("version"):
        found.setdefault(version.model_id, []).append(version)
    return found


def version_of(call: Call, model: RegisteredModel) -> ModelVersion:
    """The version that the call names of the model."""
    number = call.text("version") if isinstance(call.one("version"), str | None) else str(call.integer("version"))
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise invalid(f"Model version must be an integer, got '{number[:100]}'")
    found = _related(model.versions.all()).filter(version=int(number)).first()
    if found is None:
        raise not_there(f"Model Version (name={model.name}, version={number}) not found")
    return found


def _version(call: Call) -> ModelVersion:
    return version_of(call, find(call))


def _related(versions: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
    related = versions.select_related("model__workspace", "run", "logged_model", "created_by")
    return related.prefetch_related("aliases")


def _register(call: Call, model: RegisteredModel, source: str, model_id: str, run_id: str, about: Any) -> ModelVersion:
    named = _MODEL_ID.fullmatch(source)
    if model_id or named:
        logged = logged_models.find(call, model_id or (named[1] if named else ""))
        return services.register_logged_model(logged, name=model.name, by=call.by, **about)
    if other := _OTHER.fullmatch(source):
        rows = ModelVersion.objects.visible_to(call.by, call.workspace)
        found = rows.filter(model__name=other[1], version=int(other[2])).select_related("model__workspace").first()
        if found is None:
            raise not_there(f"Model Version (name={other[1]}, version={other[2]}) not found")
        return services.copy_version(found, name=model.name, by=call.person, **about)
    path = _path_of(source)
    place = place_of(call, path)
    if isinstance(place.files, LoggedFiles) and not place.path:
        return services.register_logged_model(place.files.model, name=model.name, by=call.by, **about)
    if isinstance(place.files, VersionFiles):
        return services.copy_version(place.files.version, name=model.name, by=call.person, **about)
    if not isinstance(place.files, RunFiles):
        raise invalid(f"A version is made of a whole logged model, not of a part of it: {source[:300]!r}.")
    if run_id and run_id != place.files.run.uid:
        raise invalid(f"The source {source[:300]!r} is not of the run {run_id[:100]!r}.")
    try:
        return services.register_model(place.files.run, name=model.name, path=place.path, by=call.by, **about)
    except BadInput as error:
        if error.details.get("field") == "path":
            raise not_there(f"Unable to find a model at {source[:300]!r}: {error.message}") from None
        raise


def _path_of(source: str) -> str:
    """The path of an artifact. Other places than the portal's own are nobody's to register here."""
    if run := _RUN.fullmatch(source):
        return f"0/{run[1]}/artifacts/{run[2]}"
    if not source.startswith(f"{ARTIFACTS}/"):
        raise invalid(
            f"Invalid model version source: {source[:300]!r}. The portal registers what it keeps itself: log the model to"
            " a run first, and name runs:/, models:/ or mlflow-artifacts:/."
        )
    path = source.removeprefix(ARTIFACTS).lstrip("/")
    if "?" in path or "#" in path:
        raise invalid(f"Invalid model version source: {source[:300]!r}.")
    return path
