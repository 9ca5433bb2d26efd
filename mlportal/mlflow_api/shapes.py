"""Rows as MLflow's JSON: ids and names are texts, moments are milliseconds, and what is not there is left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection

from experiments.models import Experiment, LoggedDataset, Metric, Parameter, Run, Tag
from experiments.search import MLFLOW_STATUS
from experiments.search.runs import NAME_TAG, PARENT_TAG
from experiments.status import RunStatus
from mlportal.mlflow_api.call import Json, shown_id

ROW: Final = (
    "pk",
    "uid",
    "name",
    "number",
    "experiment_id",
    "experiment__name",
    "created_by__username",
    "status",
    "started_at",
    "created_at",
    "ended_at",
    "deleted_at",
    "parent__uid",
)
MOST_ASKED: Final = 5000


def milliseconds(moment: datetime) -> int:
    return math.floor(moment.timestamp() * 1000)


def number(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity; protobuf writes them as texts."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def pairs(values: Mapping[str, Any]) -> list[Json]:
    return [{"key": key, "value": "" if value is None else str(value)} for key, value in values.items()]


def experiment_json(experiment: Experiment) -> Json:
    shown = shown_id(experiment.pk, experiment.name)
    shape = {
        "experiment_id": shown,
        "name": experiment.name,
        "artifact_location": f"mlflow-artifacts:/{shown}",
        "lifecycle_stage": "deleted" if experiment.archived_at else "active",
        "last_update_time": milliseconds(max(experiment.updated_at, experiment.created_at)),
        "creation_time": milliseconds(experiment.created_at),
    }
    return {**shape, "tags": pairs(experiment.tags)} if experiment.tags else shape


def new_run_json(run: Run, tags: Mapping[str, Any]) -> Json:
    """One that was made a moment ago, and of which nothing else is known."""
    parent = run.parent.uid if run.parent else None
    who = run.created_by.get_username() if run.created_by else ""
    times = (run.started_at, run.created_at, run.ended_at, run.deleted_at)
    info = _info(
        (run.pk, run.uid, run.name, run.number, run.experiment_id, run.experiment.name, who, run.status, *times)
    )
    own = {**tags, NAME_TAG: info["run_name"], **({PARENT_TAG: parent} if parent else {})}
    return {"info": info, "data": {"tags": pairs(own)}, "inputs": {}}


def run_json(run: Run) -> Json:
    return runs_json([run.pk])[0]


def runs_json(keys: Sequence[int]) -> list[Json]:
    """The runs with all that is told of them, in the order of the keys, in a query for each kind of it."""
    by_key: dict[int, Sequence[Any]] = {}
    for some in _batches(keys):
        by_key.update((row[0], row) for row in Run.objects.filter(pk__in=some).order_by().values_list(*ROW))
    rows = [by_key[key] for key in keys if key in by_key]
    metrics, params, tags = _metrics(keys), _named(Parameter, keys), _named(Tag, keys)
    inputs = _inputs(keys)
    found = []
    for row in rows:
        key, name = row[0], _name(row)
        own_tags = tags.get(key, [])
        own_tags.append({"key": NAME_TAG, "value": name})
        if row[12] is not None:
            own_tags.append({"key": PARENT_TAG, "value": row[12]})
        data: Json = {"tags": own_tags}
        if key in metrics:
            data["metrics"] = metrics[key]
        if key in params:
            data["params"] = params[key]
        found.append(
            {"info": _info(row), "data": data, "inputs": {"dataset_inputs": inputs[key]} if key in inputs else {}}
        )
    return found


def info_json(run: Run) -> Json:
    return _info(Run.objects.filter(pk=run.pk).values_list(*ROW).get())


def _name(row: Sequence[Any]) -> str:
    return str(row[2] or f"{row[5]} #{row[3]}")


def _info(row: Sequence[Any]) -> Json:
    experiment_id = shown_id(row[4], row[5])
    info = {
        "run_id": row[1],
        "run_uuid": row[1],
        "run_name": _name(row),
        "experiment_id": experiment_id,
        "user_id": row[6] or "",
        "status": MLFLOW_STATUS[RunStatus(row[7])],
        "start_time": milliseconds(row[8] or row[9]),
        "artifact_uri": f"mlflow-artifacts:/{experiment_id}/{row[1]}/artifacts",
        "lifecycle_stage": "deleted" if row[11] else "active",
    }
    if row[10] is not None:
        info["end_time"] = milliseconds(row[10])
    return info


def _metrics(keys: Sequence[int]) -> dict[int, list[Json]]:
    found: dict[int, list[Json]] = {}
    columns = "run_id, name, last, last_is_nan, last_time, last_step"
    for run, name, last, is_nan, time, step in _rows(Metric, columns, keys):
        value: Any = "NaN" if is_nan else last if last is None or math.isfinite(last) else number(last)
        point = {"key": name, "value": value, "timestamp": round(time * 1000), "step": step}
        found.setdefault(run, []).append(point)
    return found


def _named(model: type[Parameter | Tag], keys: Sequence[int]) -> dict[int, list[Json]]:
    found: dict[int, list[Json]] = {}
    for run, name, value in _rows(model, "run_id, name, value", keys):
        if name not in (NAME_TAG, PARENT_TAG) or model is Parameter:
            found.setdefault(run, []).append({"key": name, "value": value or ""})
    return found


def _inputs(keys: Sequence[int]) -> dict[int, list[Json]]:
    found: dict[int, list[Json]] = {}
    for some in _batches(keys):
        for dataset in LoggedDataset.objects.filter(run__in=some).order_by("pk"):
            fields = ("name", "digest", "source_type", "source", "schema", "profile")
            shape = {name: value for name in fields if (value := getattr(dataset, name))}
            found.setdefault(dataset.run_id, []).append({"tags": pairs(dataset.tags), "dataset": shape})
    return found


def _rows(model: Any, columns: str, keys: Sequence[int]) -> Iterable[tuple[Any, ...]]:
    """Plain tuples: a thousand runs have ten thousand values, and each needs nothing but its text."""
    table = connection.ops.quote_name(model._meta.db_table)
    for some in _batches(keys):
        with connection.cursor() as cursor:
            # Their keys are numbers that came from the database a moment ago.
            cursor.execute(f"SELECT {columns} FROM {table} WHERE run_id IN ({','.join(map(str, some))})")
            yield from cursor.fetchall()


def _batches(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(keys), MOST_ASKED):
        yield keys[start : start + MOST_ASKED]
