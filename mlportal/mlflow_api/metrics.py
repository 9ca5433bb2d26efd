"""Numbers in and out."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Final

from django.db import transaction

from experiments import services
from experiments.metrics import Batch, Series
from experiments.models import Run
from experiments.search.attributes import PARENT_TAG
from mlportal.mlflow_api import logged_models
from mlportal.mlflow_api.call import Call, Json
from mlportal.mlflow_api.errors import invalid, missing
from mlportal.mlflow_api.reading import offset_of, read_metrics, read_params, read_tags, take_own_tags, token_of
from mlportal.mlflow_api.shapes import number

MAX_METRICS: Final = 1000
MAX_PARAMS_OR_TAGS: Final = 100
MAX_ENTITIES: Final = 1000
MAX_HISTORY: Final = 25_000
MAX_BULK_RUNS: Final = 100
MAX_INTERVAL_POINTS: Final = 2500


def log_metric(call: Call) -> Json:
    if call.one("key") is None or call.one("value") is None or call.one("timestamp") is None:
        raise missing(next(name for name in ("key", "value", "timestamp") if call.one(name) is None))
    batch, points = Batch(scalars=read_metrics([call.given], "")), logged_models.points_of(call, [dict(call.given)])
    _write(call.writable_run(), batch, points)
    return {}


def log_batch(call: Call) -> Json:
    metrics, params, tags = (call.objects(name) for name in ("metrics", "params", "tags"))
    for name, most, items in (
        ("metrics", MAX_METRICS, metrics),
        ("params", MAX_PARAMS_OR_TAGS, params),
        ("tags", MAX_PARAMS_OR_TAGS, tags),
    ):
        _refuse_more(name, most, len(items))
    _refuse_more("metrics, params, and tags", MAX_ENTITIES, len(metrics) + len(params) + len(tags))
    batch = Batch(scalars=read_metrics(metrics), params=read_params(params))
    batch.tags.update(read_tags(tags))
    run_name = take_own_tags(batch.tags)
    points = logged_models.points_of(call, metrics)
    run = call.writable_run()
    _write(run, batch, points)
    if PARENT_TAG in batch.tags:
        services.link_parent(run, by=call.by)
    if run_name:
        services.update_run(run, name=run_name, by=call.by)
    return {}


def get_history(call: Call) -> Json:
    run, name = call.run(), call.text("metric_key")
    most = call.integer("max_results")
    if most is not None and most <= 0:
        raise invalid(f"Invalid value {most} for parameter 'max_results' supplied. It must be a positive integer.")
    start = offset_of(call.text("page_token", required=False))
    points = services.history(run, name)
    end = min(len(points), start + min(most or MAX_HISTORY, MAX_HISTORY))  # clients follow the token
    shape: Json = {}
    if start < end:
        shape["metrics"] = _points(name, points, range(start, end))
    if end < len(points):
        shape["next_page_token"] = token_of(end)
    return shape


def get_history_bulk(call: Call) -> Json:
    asked = [run_id for run_id in call.given.get("run_id", []) if isinstance(run_id, str)]
    if not asked:
        raise invalid("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(asked) > MAX_BULK_RUNS:
        raise invalid(
            f"GetMetricHistoryBulk request cannot specify more than {MAX_BULK_RUNS} run_ids. Received {len(asked)} run_ids."
        )
    name = call.text("metric_key")
    most = min(max(call.integer("max_results", MAX_HISTORY) or 0, 0), MAX_HISTORY)
    found: list[Json] = []
    for run in sorted((call.run(run_id) for run_id in asked), key=lambda run: run.uid):
        points = services.history(run, name)
        found += _points(name, points, range(min(len(points), most - len(found))), run)
    return {"metrics": found}


def get_history_bulk_interval(call: Call) -> Json:
    """At most `max_results` points a run, evenly spread, the first and the last among them."""
    asked = call.texts("run_ids")
    if not asked:
        raise missing("run_ids")
    if len(asked) > MAX_BULK_RUNS:
        raise invalid(
            f"GetMetricHistoryBulkInterval request must specify at most {MAX_BULK_RUNS} run_ids. Received {len(asked)} run_ids."
        )
    name, first, last = call.text("metric_key"), call.integer("start_step"), call.integer("end_step")
    most = call.integer("max_results", MAX_INTERVAL_POINTS) or 0
    if not 1 <= most <= MAX_INTERVAL_POINTS:
        raise invalid(f"max_results must be between 1 and {MAX_INTERVAL_POINTS}.")
    if (first is None) != (last is None):
        raise invalid("If either start step or end step are specified, both must be specified.")
    if first is not None and last is not None and first > last:
        raise invalid(f"end_step must be greater than start_step. Found start_step={first} and end_step={last}.")
    found: list[Json] = []
    for run in [call.run(run_id) for run_id in asked]:
        points = services.history(run, name)
        inside = [
            index for index, step in enumerate(points.steps) if first is None or last is None or first <= step <= last
        ]
        if len(inside) > most:
            last_index = len(inside) - 1
            chosen = {last_index} if most == 1 else {round(place * last_index / (most - 1)) for place in range(most)}
            inside = [inside[place] for place in sorted(chosen)]
        found += _points(name, points, inside, run)
    return {"metrics": found} if found else {}


def _write(run: Run, batch: Batch, points: list[services.ModelPoint]) -> None:
    with transaction.atomic() if points else nullcontext():
        services.write_batch(run, batch)
        if points:
            services.note_model_metrics(run, points)


def _points(name: str, points: Series, indices: Any, run: Run | None = None) -> list[Json]:
    steps, times, values = points.steps, points.times, points.values
    more = {"run_id": run.uid} if run else {}
    return [
        {"key": name, "value": number(values[at]), "timestamp": round(times[at] * 1000), "step": steps[at], **more}
        for at in indices
    ]


def _refuse_more(name: str, most: int, length: int) -> None:
    if length > most:
        raise invalid(
            f"A batch logging request can contain at most {most} {name}. Got {length} {name}. Please split up {name} across"
            " multiple requests and try again."
        )
