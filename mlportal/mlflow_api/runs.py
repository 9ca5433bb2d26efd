"""Runs: create, look, change, delete, search. A run that the portal executes ends when its runner says so, not its client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.db.models import Q

from experiments import services
from experiments.metrics import Batch
from experiments.models import Run
from experiments.search import search_runs
from experiments.search.attributes import NAME_TAG, PARENT_TAG
from experiments.status import RunStatus
from mlportal.access.principals import RunPrincipal
from mlportal.mlflow_api import logged_models, names
from mlportal.mlflow_api.call import DEFAULT_ID, Call, Json, active, experiment_key
from mlportal.mlflow_api.errors import invalid, missing, not_there
from mlportal.mlflow_api.reading import (
    END_OF_MILLISECONDS,
    offset_of,
    read_params,
    read_tags,
    take_own_tags,
    token_of,
    view_of,
)
from mlportal.mlflow_api.shapes import info_json, new_run_json
from mlportal.mlflow_api.whole_runs import run_json, runs_json

MAX_RESULTS: Final = 50_000
DEFAULT_RESULTS: Final = 1000
STATUSES: Final = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")  # protobuf numbers them from 1
ENDINGS: Final = {
    "FINISHED": RunStatus.COMPLETED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.CANCELED,
}
MODEL_HISTORY: Final = "mlflow.log-model.history"


def create(call: Call) -> Json:
    """Started by its client. A run's token starts children of that run: without a parent's tag, of the run itself."""
    tags = read_tags(call.objects("tags"))
    given, tagged = call.text("run_name", required=False), tags.get(NAME_TAG) or ""
    if given and tagged and given != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values"
            f" (run_name='{given}', mlflow.runName='{tagged}')."
        )
    experiment_id = call.text("experiment_id", required=False) or DEFAULT_ID
    parent = _parent(call, tags.get(PARENT_TAG) or "")
    if isinstance(call.by, RunPrincipal):
        experiment = (parent or call.run()).experiment
        if experiment_id not in (DEFAULT_ID, str(experiment.pk)):
            raise not_there(f"No Experiment with id={experiment_id[:100]} exists for the token of this run")
    else:
        experiment = call.experiment(experiment_id)
        if parent is not None and parent.experiment_id != experiment.pk:
            parent = None  # it stays a tag: children are in their parent's experiment
    active(experiment)
    if parent is not None:
        tags.pop(PARENT_TAG, None)
    tags.pop(NAME_TAG, None)
    run = services.start_run(
        call.workspace,
        experiment=experiment,
        parent=parent,
        name=given or tagged,
        tags=tags,
        started_at=_moment(call.integer("start_time"), "start_time"),
        by=call.by,
    )
    return {"run": new_run_json(run, tags)}


def get(call: Call) -> Json:
    return {"run": run_json(call.run())}


def update(call: Call) -> Json:
    """Its name, and its end. An end that is final already stays; so does what only the portal knows."""
    run = call.active_run()
    status = _status(call.one("status"))
    ended_at = _moment(call.integer("end_time"), "end_time")
    if name := call.text("run_name", required=False):
        services.update_run(run, name=name, by=call.by)
    if status in ENDINGS and run.is_client_side and not run.is_final:
        services.finish_run(run, ENDINGS[status], ended_at=ended_at, by=call.by)
    elif not name:
        services.require_writer(run, call.by)
    return {"run_info": info_json(run)}


def delete(call: Call) -> Json:
    services.trash_run(call.run(), by=call.person)
    return {}


def restore(call: Call) -> Json:
    services.untrash_run(call.run(), by=call.person)
    return {}


def log_parameter(call: Call) -> Json:
    params = read_params([dict(call.given)])
    services.write_batch(call.writable_run(), Batch(params=params))
    return {}


def set_tag(call: Call) -> Json:
    tags = read_tags([dict(call.given)])
    run = call.writable_run()
    if PARENT_TAG in tags and run.parent_id and tags[PARENT_TAG] != _parent_uid(run):
        raise invalid(f"The run {run.uid} is a child of {_parent_uid(run)}, and stays one.")
    name = take_own_tags(tags)
    if tags:
        services.write_batch(run, Batch(tags=dict(tags)))
    if PARENT_TAG in tags:
        services.link_parent(run, by=call.by)
    if name:
        services.update_run(run, name=name, by=call.by)
    return {}


def delete_tag(call: Call) -> Json:
    run, name = call.active_run(), call.text("key")
    if name == PARENT_TAG and run.parent_id:
        raise invalid(f"The run {run.uid} is a child of {_parent_uid(run)}, and stays one.")
    if not run.tags.filter(name=name).exists():
        raise not_there(f"No tag with name: {name} in run with id {run.uid}")
    services.remove_tags(run, [name], by=call.by)
    return {}


def log_inputs(call: Call) -> Json:
    datasets = []
    for index, given in enumerate(call.objects("datasets")):
        dataset, tags = given.get("dataset"), given.get("tags") or []
        if (
            not isinstance(dataset, dict)
            or not isinstance(tags, list)
            or not all(isinstance(tag, dict) for tag in tags)
        ):
            raise missing(f"datasets[{index}].dataset")
        path = f"datasets[{index}].dataset"
        datasets.append(
            services.DescribedDataset(
                **{
                    field: names.value(dataset.get(field), f"{path}.{field}", limit)
                    for field, limit in services.DATASET_LIMITS.items()
                },
                tags={
                    names.value(tag.get("key"), f"{path}.tags.key", 255): names.value(
                        tag.get("value"), f"{path}.tags.value", 500
                    )
                    for tag in tags
                },
            )
        )
        if not datasets[-1].name or not datasets[-1].digest:
            raise missing(f"{path}.name" if not datasets[-1].name else f"{path}.digest")
    run = call.active_run()
    services.log_datasets(run, datasets, by=call.by)
    logged_models.log_inputs(call, run, call.objects("models"))
    return {}


def log_model(call: Call) -> Json:
    """2.x tells in a tag which models a run has logged."""
    try:
        model = orjson.loads(call.text("model_json"))
    except orjson.JSONDecodeError:
        raise invalid(f"Malformed model info. \n {call.text('model_json')[:300]!r} \n is not valid JSON.") from None
    absent = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model if isinstance(model, dict) else ())
    if absent:
        raise invalid(f"Model json is missing mandatory fields: {sorted(absent)}")
    run = call.active_run()
    with services.changing(run):
        before = run.tags.filter(name=MODEL_HISTORY).values_list("value", flat=True).first()
        history = [*(orjson.loads(before) if before else []), model]
        services.log_batch(run, Batch(tags={MODEL_HISTORY: orjson.dumps(history).decode()}), by=call.by)
    return {}


def search(call: Call) -> Json:
    most = call.integer("max_results", DEFAULT_RESULTS) or 0
    if not 1 <= most <= MAX_RESULTS:
        raise invalid(f"Invalid value {most} for parameter 'max_results' supplied: It must be from 1 to {MAX_RESULTS}.")
    start = offset_of(call.text("page_token", required=False))
    runs = Run.objects.visible_to(call.by).filter(experiment__in=_experiments(call, call.texts("experiment_ids")))
    view = view_of(call.one("run_view_type"))
    if view != "ALL":
        runs = runs.filter(deleted_at__isnull=view == "ACTIVE_ONLY")
    search, order = call.text("filter", required=False), call.texts("order_by")
    page = search_runs(runs, search, order, start=start, most=most + 1)
    shape: Json = {}
    if page:
        shape["runs"] = runs_json(page[:most])
    if len(page) > most:
        shape["next_page_token"] = token_of(start + most)
    return shape


def _parent(call: Call, run_id: str) -> Run | None:
    if isinstance(call.by, RunPrincipal) and not run_id:
        return Run.objects.select_related("experiment", "workspace").get(pk=call.by.run_id)
    if not run_id:
        return None
    visible = Run.objects.visible_to(call.by, call.workspace).filter(uid=run_id[:32], deleted_at=None)
    return visible.select_related("experiment", "workspace").first()


def _parent_uid(run: Run) -> str:
    return run.parent.uid if run.parent else ""


def _experiments(call: Call, ids: list[str]) -> list[int]:
    """Those of the workspace, as a list: with it the index of an experiment's runs is used, which is in their order."""
    keys = [experiment_key(experiment_id) for experiment_id in ids]
    wanted = Q(pk__in=keys) | (Q(name=services.DEFAULT) if 0 in keys else Q(pk=None))
    return list(call.experiments().filter(wanted).order_by().values_list("pk", flat=True).distinct())


def _status(value: Any) -> str | None:
    if value is None or value in STATUSES:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is int and 1 <= value <= len(STATUSES):
        return STATUSES[value - 1]
    raise invalid(f"Invalid value {value!r:.100} for parameter 'status' supplied; there are {', '.join(STATUSES)}.")


def _moment(milliseconds: int | None, name: str) -> datetime | None:
    if not milliseconds:  # clients that know no time say 0
        return None
    if not 0 <= milliseconds < END_OF_MILLISECONDS:
        raise invalid(
            f"Invalid value {milliseconds} for parameter '{name}' supplied: it has to be a time in milliseconds."
        )
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
