"""Experiments. "0" is the one of runs that name none, and every workspace has it."""

from __future__ import annotations

from typing import Final

from experiments import services
from experiments.search import search_experiments
from mlportal.access.principals import RunPrincipal
from mlportal.mlflow_api import names
from mlportal.mlflow_api.call import Call, Json, active
from mlportal.mlflow_api.errors import invalid, not_there
from mlportal.mlflow_api.reading import offset_of, token_of, view_of
from mlportal.mlflow_api.shapes import experiment_json

MAX_NAME: Final = 500
MAX_RESULTS: Final = 50_000
DEFAULT_RESULTS: Final = 1000


def create(call: Call) -> Json:
    name = _name(call, "name")
    if call.text("artifact_location", required=False):
        raise invalid("The portal keeps the artifacts of its experiments itself; leave artifact_location out.")
    tags = {
        names.key(tag.get("key"), "tags.key"): names.value(tag.get("value"), "tags.value", names.MAX_EXPERIMENT_TAG)
        for tag in call.objects("tags")
    }
    made = services.make_experiment(call.workspace, name, tags=dict(tags), by=call.person)
    return {"experiment_id": str(made.pk)}


def get(call: Call) -> Json:
    return {"experiment": experiment_json(call.experiment())}


def get_by_name(call: Call) -> Json:
    name = call.text("experiment_name")
    found = call.experiments().filter(name=name).first()
    if found is None and name == services.DEFAULT and not isinstance(call.by, RunPrincipal):
        found = services.default_experiment(call.workspace)
    if found is None:
        raise not_there(f"Could not find experiment with name '{name[:500]}'")
    return {"experiment": experiment_json(found)}


def search(call: Call) -> Json:
    most = call.integer("max_results", DEFAULT_RESULTS) or 0
    if not 1 <= most <= MAX_RESULTS:
        raise invalid(
            f"Invalid value {most} for parameter 'max_results' supplied. It must be between 1 and {MAX_RESULTS}."
        )
    start = offset_of(call.text("page_token", required=False))
    if not isinstance(call.by, RunPrincipal):
        services.default_experiment(call.workspace)
    view = view_of(call.one("view_type"))
    there = call.experiments()
    if view != "ALL":
        there = there.filter(archived_at__isnull=view == "ACTIVE_ONLY")
    found = search_experiments(there, call.text("filter", required=False), call.texts("order_by"))
    shape: Json = {}
    if page := found[start : start + most]:
        shape["experiments"] = [experiment_json(experiment) for experiment in page]
    if start + most < len(found):
        shape["next_page_token"] = token_of(start + most)
    return shape


def update(call: Call) -> Json:
    experiment = active(call.experiment())
    services.rename_experiment(experiment, _name(call, "new_name"), by=call.person)
    return {}


def delete(call: Call) -> Json:
    experiment = call.experiment()
    if experiment.archived_at is not None:
        raise not_there(f"No Experiment with id={call.text('experiment_id')} exists")
    services.trash_experiment(experiment, by=call.person)
    return {}


def restore(call: Call) -> Json:
    experiment = call.experiment()
    if experiment.archived_at is None:
        raise not_there(f"No deleted Experiment with id={call.text('experiment_id')} exists")
    services.untrash_experiment(experiment, by=call.person)
    return {}


def set_tag(call: Call) -> Json:
    experiment = active(call.experiment())
    name = names.key(call.one("key"), "key")
    value = names.value(call.one("value"), "value", names.MAX_EXPERIMENT_TAG)
    services.update_experiment(experiment, set_tags={name: value}, by=call.person)
    return {}


def delete_tag(call: Call) -> Json:
    experiment, name = active(call.experiment()), call.text("key")
    if name not in experiment.tags:
        raise not_there(f"No tag with name: {name[:250]} in experiment with id {experiment.pk}")
    services.update_experiment(experiment, remove_tags=[name], by=call.person)
    return {}


def _name(call: Call, field: str) -> str:
    name = call.text(field)
    if len(name) > MAX_NAME:
        raise invalid(f"'{field}' exceeds the maximum length of {MAX_NAME} characters")
    return name
