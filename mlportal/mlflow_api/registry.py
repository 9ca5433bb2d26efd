"""The model registry: registered models, their aliases and tags."""

from __future__ import annotations

from typing import Any, Final

from mlportal.mlflow_api import names
from mlportal.mlflow_api.call import Call, Json
from mlportal.mlflow_api.errors import invalid
from mlportal.mlflow_api.reading import offset_of, token_of
from mlportal.mlflow_api.registered import find, models_of, tag_of, tags_of
from mlportal.mlflow_api.shapes import milliseconds, pairs
from mlportal.mlflow_api.versions import latest_of, version_json, version_of
from models_registry import services
from models_registry.models import RegisteredModel
from models_registry.search import search_models

MAX_RESULTS: Final = 1000
DEFAULT_RESULTS: Final = 100


def create(call: Call) -> Json:
    made = services.create_model(
        call.workspace,
        call.text("name"),
        description=call.text("description", required=False),
        tags=tags_of(call),
        by=call.by,
    )
    return {"registered_model": model_json(made)}


def get(call: Call) -> Json:
    return {"registered_model": model_json(find(call))}


def update(call: Call) -> Json:
    found = find(call)
    services.update_model(found, description=call.text("description", required=False), by=call.person)
    return {"registered_model": model_json(found)}


def rename(call: Call) -> Json:
    found = find(call)
    services.rename_model(found, call.text("new_name"), by=call.person)
    return {"registered_model": model_json(found)}


def delete(call: Call) -> Json:
    services.delete_model(find(call), by=call.person)
    return {}


def search(call: Call) -> Json:
    most = call.integer("max_results", DEFAULT_RESULTS) or 0
    if not 1 <= most <= MAX_RESULTS:
        raise invalid(
            f"Invalid value for request parameter max_results. It must be between 1 and {MAX_RESULTS}, not {most}"
        )
    start = offset_of(call.text("page_token", required=False))
    found = search_models(models_of(call), call.text("filter", required=False), call.texts("order_by"))
    page = list(found.prefetch_related("aliases__version")[start : start + most + 1])
    latest = latest_of([model.pk for model in page[:most]])
    shape: Json = {}
    if page:
        shape["registered_models"] = [model_json(model, latest.get(model.pk, [])) for model in page[:most]]
    if len(page) > most:
        shape["next_page_token"] = token_of(start + most)
    return shape


def latest_versions(call: Call) -> Json:
    """The newest of each stage, or of those that are asked for."""
    found = find(call)
    stages = {names.stage(stage) for stage in call.texts("stages")}
    rows = latest_of([found.pk]).get(found.pk, [])
    chosen = [version_json(row) for row in rows if not stages or row.stage in stages]
    return {"model_versions": chosen} if chosen else {}


def set_tag(call: Call) -> Json:
    services.update_model(find(call), add_tags=tag_of(call), by=call.person)
    return {}


def delete_tag(call: Call) -> Json:
    """One that is not there is gone already, as in MLflow."""
    services.update_model(find(call), remove_tags=[call.text("key")], by=call.person)
    return {}


def set_alias(call: Call) -> Json:
    services.set_alias(version_of(call, find(call)), call.text("alias"), by=call.by)
    return {}


def delete_alias(call: Call) -> Json:
    services.remove_alias(find(call), call.text("alias"), by=call.person)
    return {}


def get_by_alias(call: Call) -> Json:
    found, name = find(call), call.text("alias")
    alias = found.aliases.filter(name=name).select_related("version__model__workspace", "version__run").first()
    if alias is None:
        raise invalid(f"Registered model alias {name[:255]} not found.")
    return {"model_version": version_json(alias.version)}


def model_json(model: RegisteredModel, latest: list[Any] | None = None) -> Json:
    latest = latest_of([model.pk]).get(model.pk, []) if latest is None else latest
    shape: Json = {
        "name": model.name,
        "creation_timestamp": milliseconds(model.created_at),
        "last_updated_timestamp": milliseconds(max(model.updated_at, model.created_at)),
    }
    if model.description:
        shape["description"] = model.description
    if latest:
        shape["latest_versions"] = [version_json(version) for version in latest]
    if model.tags:
        shape["tags"] = pairs(model.tags)
    if aliases := [{"alias": alias.name, "version": str(alias.version.version)} for alias in model.aliases.all()]:
        shape["aliases"] = aliases
    return shape
