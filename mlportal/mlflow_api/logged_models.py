"""Logged models of MLflow 3: made, filled with files, finished; searched; and which run used or made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db.models import Q

from experiments import services
from experiments.models import LoggedModel, LoggedModelMetric, LoggedModelUse, Run
from experiments.search import ModelOrder, OnDataset, search_logged_models
from experiments.services import ModelPoint
from mlportal.access.principals import RunPrincipal
from mlportal.mlflow_api import names
from mlportal.mlflow_api.call import Call, Json, active, experiment_key, shown_id
from mlportal.mlflow_api.errors import invalid, missing, not_there
from mlportal.mlflow_api.reading import offset_of, read_metrics, read_params, token_of
from mlportal.mlflow_api.shapes import milliseconds, number, pairs
from mlportal.statements import Among, Rows, text_of
from mlportal.texts import storable

MAX_RESULTS: Final = 50
MAX_NAMED: Final = 100  # models in one request
MAX_EXPERIMENTS: Final = 1000
MAX_KEYS: Final = 20  # of an order, and datasets
STATUSES: Final = ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED")
_KEPT: Final = {
    "LOGGED_MODEL_PENDING": LoggedModel.Status.PENDING,
    "LOGGED_MODEL_READY": LoggedModel.Status.READY,
    "LOGGED_MODEL_UPLOAD_FAILED": LoggedModel.Status.FAILED,
}
_SHOWN: Final = {kept: shown for shown, kept in _KEPT.items()}


def create(call: Call) -> Json:
    run_id = call.text("source_run_id", required=False)
    if isinstance(call.by, RunPrincipal):
        run: Run | None = call.run(run_id) if run_id else Run.objects.get(pk=call.by.run_id)
        assert run is not None
        experiment = run.experiment
    else:
        experiment = call.experiment()
        run = call.run(run_id, "experiment") if run_id else None
    active(experiment)
    experiment.workspace = call.workspace
    made = services.create_logged_model(
        experiment,
        name=call.text("name", required=False),
        run=run,
        model_type=call.text("model_type", required=False),
        params=read_params(call.objects("params")),
        tags=_tags(call),
        by=call.by,
    )
    return {"model": model_json(made)}


def get(call: Call) -> Json:
    return {"model": model_json(_model(call))}


def finish(call: Call) -> Json:
    status = call.one("status")
    if isinstance(status, int) and 1 <= status <= len(STATUSES):  # protobuf's numbers
        status = STATUSES[status - 1]
    if status not in _KEPT:
        raise invalid(
            f"Invalid value {status!r:.100} for parameter 'status' supplied; there are {', '.join(STATUSES)}."
        )
    found = _model(call)
    services.finish_logged_model(found, _KEPT[status], by=call.by)
    return {"model": model_json(found)}


def delete(call: Call) -> Json:
    services.delete_logged_model(_model(call), by=call.by)
    return {}


def log_params(call: Call) -> Json:
    services.add_model_params(_model(call), read_params(call.objects("params")), by=call.by)
    return {}


def set_tags(call: Call) -> Json:
    found = _model(call)
    services.change_model_tags(found, _tags(call), by=call.by)
    return {"model": model_json(found)}


def delete_tag(call: Call) -> Json:
    found, name = _model(call), call.names["key"]
    if name not in found.tags:
        raise not_there(f"No tag with key {name[:250]!r} found for model with ID {found.uid!r}.")
    services.change_model_tags(found, {}, [name], by=call.by)
    return {}


def search(call: Call) -> Json:
    most = call.integer("max_results", MAX_RESULTS) or 0
    if most < 1:
        raise invalid(f"Invalid value {most} for parameter 'max_results' supplied: it has to be positive.")
    most = min(most, MAX_RESULTS)
    start = offset_of(call.text("page_token", required=False))
    ids = call.texts("experiment_ids")
    if not ids:
        raise missing("experiment_ids")
    there = LoggedModel.objects.visible_to(call.by).kept().filter(experiment__in=_experiments(call, ids))
    datasets = [_dataset(item) for item in _few(call, "datasets")]
    orders = [_order(item) for item in _few(call, "order_by")]
    found = search_logged_models(there, call.text("filter", required=False), datasets, orders)
    page = list(found.select_related("experiment", "run").prefetch_related("metrics__run")[start : start + most + 1])
    shape: Json = {}
    if page:
        shape["models"] = [model_json(model) for model in page[:most]]
    if len(page) > most:
        shape["next_page_token"] = token_of(start + most)
    return shape


def log_outputs(call: Call) -> Json:
    """runs/outputs: which models the run has made, and at which step."""
    items = call.objects("models")
    models = _all_named(call, items)
    steps = [names.step(item.get("step"), f"models[{index}].step") for index, item in enumerate(items)]
    made = list(zip(models, steps, strict=True))
    services.note_model_uses(call.active_run(), made, LoggedModelUse.Kind.OUTPUT, by=call.by)
    return {}


def log_inputs(call: Call, run: Run, items: Sequence[Json]) -> None:
    """The models among what runs/log-inputs brings."""
    used = [(model, 0) for model in _all_named(call, items)]
    if used:
        services.note_model_uses(run, used, LoggedModelUse.Kind.INPUT, by=call.by)


def points_of(call: Call, items: Sequence[Json]) -> list[ModelPoint]:
    """The numbers of a batch that were logged for a model."""
    items = [item for item in items if "model_id" in item and item["model_id"] not in (None, "")]
    found = []
    for item, model in zip(items, _all_named(call, items, "metrics"), strict=True):
        ((name, series),) = read_metrics([item], "").items()
        on = [
            names.value(item.get(field), field, limit)
            for field, limit in (("dataset_name", 500), ("dataset_digest", 36))
        ]
        found.append(ModelPoint(model, name, series.values[0], series.steps[0], series.times[0], *on))
    return found


def model_json(model: LoggedModel) -> Json:
    experiment_id = shown_id(model.experiment_id, model.experiment.name)
    info: Json = {
        "model_id": model.uid,
        "experiment_id": experiment_id,
        "name": model.name,
        "creation_timestamp_ms": milliseconds(model.created_at),
        "last_updated_timestamp_ms": milliseconds(model.updated_at),
        "artifact_uri": f"mlflow-artifacts:/{experiment_id}/models/{model.uid}/artifacts",
        "status": _SHOWN[LoggedModel.Status(model.status)],
    }
    if model.model_type:
        info["model_type"] = model.model_type
    if model.run is not None:
        info["source_run_id"] = model.run.uid
    if model.tags:
        info["tags"] = pairs(model.tags)
    data: Json = {}
    if model.params:
        data["params"] = pairs(model.params)
    if metrics := [_metric_json(model, metric) for metric in model.metrics.all()]:
        data["metrics"] = metrics
    return {"info": info, "data": data} if data else {"info": info}


def uses_of_runs() -> str:
    """Asks for the models that runs read and made."""
    rows = LoggedModelUse.objects.filter(Among("run_id"), model__deleted_at=None).order_by("pk")
    return text_of(rows.values_list("run_id", "kind", "model__uid", "step"))


def uses_json(rows: Rows) -> dict[int, dict[str, list[Json]]]:
    """What that has found, by the key of each run, as `inputs` and `outputs` tell it."""
    found: dict[int, dict[str, list[Json]]] = {}
    for run, kind, uid, step in rows:
        shape = {"model_id": uid} if kind == LoggedModelUse.Kind.INPUT else {"model_id": uid, "step": step}
        found.setdefault(run, {}).setdefault(kind, []).append(shape)
    return found


def _metric_json(model: LoggedModel, metric: LoggedModelMetric) -> Json:
    shape: Json = {
        "key": metric.name,
        "value": "NaN" if metric.is_nan else number(metric.value),
        "timestamp": round(metric.time * 1000),
        "step": metric.step,
        "model_id": model.uid,
        "run_id": metric.run.uid,
    }
    if metric.dataset_name:
        shape["dataset_name"] = metric.dataset_name
    if metric.dataset_digest:
        shape["dataset_digest"] = metric.dataset_digest
    return shape


def find(call: Call, uid: str) -> LoggedModel:
    """The logged model, if the caller may see it here and it is not deleted."""
    visible = LoggedModel.objects.visible_to(call.by).filter(
        workspace=call.workspace, uid=storable(uid), deleted_at=None
    )
    found = visible.select_related("experiment", "run__workspace", "workspace").first()
    if found is None:
        raise not_there(f"Logged model with ID '{uid[:100]}' not found.")
    return found


def _model(call: Call) -> LoggedModel:
    return find(call, call.names["model_id"])


def _all_named(call: Call, items: Sequence[Json], place: str = "models") -> list[LoggedModel]:
    """The model that each item names, found in one query."""
    if not items:
        return []
    uids = []
    for index, item in enumerate(items):
        uid, path = item.get("model_id"), f"{place}[{index}].model_id"
        if not uid:
            raise missing(path)
        if not isinstance(uid, str) or len(uid) > 100:
            raise invalid(f"Invalid value {uid!r:.100} for parameter '{path}' supplied: it has to be a string.")
        uids.append(uid)
    wanted = set(uids)
    if len(wanted) > MAX_NAMED:
        raise invalid(f"A request names at most {MAX_NAMED} models.")
    visible = LoggedModel.objects.visible_to(call.by).filter(
        workspace=call.workspace, uid__in=storable(list(wanted)), deleted_at=None
    )
    found = {model.uid: model for model in visible}
    if absent := sorted(wanted - found.keys()):
        raise not_there(f"Logged model with ID '{absent[0]}' not found.")
    return [found[uid] for uid in uids]


def _experiments(call: Call, ids: Sequence[str]) -> list[int]:
    """Their keys; RESOURCE_DOES_NOT_EXIST for one that is not the caller's to see here."""
    keys = {experiment_key(experiment_id) for experiment_id in ids}
    wanted = Q(pk__in=keys) | (Q(name=services.DEFAULT) if 0 in keys else Q(pk=None))
    if len(keys) > MAX_EXPERIMENTS:
        raise invalid(f"A search is in at most {MAX_EXPERIMENTS} experiments.")
    found = set(call.experiments().filter(wanted).values_list("pk", flat=True))
    if absent := sorted(keys - found - {0}):
        raise not_there(f"No Experiment with id={absent[0]} exists")
    return sorted(found)


def _few(call: Call, name: str) -> list[Json]:
    found = call.objects(name)
    if len(found) > MAX_KEYS:
        raise invalid(f"A search has at most {MAX_KEYS} {name}.")
    return found


def _tags(call: Call) -> dict[str, str]:
    return {
        names.key(tag.get("key"), "tags.key"): names.value(tag.get("value"), "tags.value", names.MAX_TAG)
        for tag in call.objects("tags")
    }


def _dataset(item: Json) -> OnDataset:
    name, digest = item.get("dataset_name"), item.get("dataset_digest")
    if not isinstance(name, str) or not name:
        raise invalid("`dataset_name` in the `datasets` clause must be specified.")
    return OnDataset(storable(name), storable(digest) if isinstance(digest, str) else "")


def _order(item: Json) -> ModelOrder:
    field = item.get("field_name")
    if not isinstance(field, str) or not field:
        raise invalid("`field_name` in the `order_by` clause must be specified.")
    if item.get("dataset_digest") and not item.get("dataset_name"):
        raise invalid("`dataset_digest` can only be specified if `dataset_name` is also specified.")
    return ModelOrder(
        field, item.get("ascending", True) is not False, _dataset(item) if item.get("dataset_name") else None
    )
