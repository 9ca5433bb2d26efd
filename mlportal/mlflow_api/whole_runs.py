"""Runs with all that is told of them, many at once: in a query for each kind of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import connection

from experiments.models import LoggedDataset, Metric, Parameter, Run, Tag
from experiments.search.attributes import NAME_TAG, PARENT_TAG
from mlportal.mlflow_api import logged_models
from mlportal.mlflow_api.call import Json
from mlportal.mlflow_api.shapes import ROW, info_of, name_of, number, pairs
from mlportal.statements import listed

MOST_ASKED: Final = 5000


def run_json(run: Run) -> Json:
    return runs_json([run.pk])[0]


def runs_json(keys: Sequence[int]) -> list[Json]:
    """The runs with all that is told of them, in the order of the keys, in a query for each kind of it."""
    by_key: dict[int, Sequence[Any]] = {}
    for some in _batches(keys):
        by_key.update((row[0], row) for row in Run.objects.filter(pk__in=listed(some)).order_by().values_list(*ROW))
    rows = [by_key[key] for key in keys if key in by_key]
    metrics, params, tags = _metrics(keys), _named(Parameter, keys), _named(Tag, keys)
    inputs, uses = _inputs(keys), logged_models.uses_of(keys)
    found = []
    for row in rows:
        key, name = row[0], name_of(row)
        own_tags = tags.get(key, [])
        own_tags.append({"key": NAME_TAG, "value": name})
        if row[11] is not None:
            own_tags[:] = [tag for tag in own_tags if tag["key"] != PARENT_TAG]
            own_tags.append({"key": PARENT_TAG, "value": row[11]})
        data: Json = {"tags": own_tags}
        if key in metrics:
            data["metrics"] = metrics[key]
        if key in params:
            data["params"] = params[key]
        shape: Json = {"info": info_of(row), "data": data, "inputs": {}}
        if key in inputs:
            shape["inputs"]["dataset_inputs"] = inputs[key]
        used = uses.get(key, {})
        if used.get("input"):
            shape["inputs"]["model_inputs"] = used["input"]
        if used.get("output"):
            shape["outputs"] = {"model_outputs": used["output"]}
        found.append(shape)
    return found


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
        if name != NAME_TAG or model is Parameter:
            found.setdefault(run, []).append({"key": name, "value": value or ""})
    return found


def _inputs(keys: Sequence[int]) -> dict[int, list[Json]]:
    found: dict[int, list[Json]] = {}
    for some in _batches(keys):
        for dataset in LoggedDataset.objects.filter(run__in=listed(some)).order_by("pk"):
            fields = ("name", "digest", "source_type", "source", "schema", "profile")
            shape = {name: value for name in fields if (value := getattr(dataset, name))}
            found.setdefault(dataset.run_id, []).append({"tags": pairs(dataset.tags), "dataset": shape})
    return found


def _rows(model: Any, columns: str, keys: Sequence[int]) -> Iterable[tuple[Any, ...]]:
    """Plain tuples: a thousand runs have ten thousand values, and each needs nothing but its text."""
    table = connection.ops.quote_name(model._meta.db_table)
    for some in _batches(keys):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {table} WHERE run_id IN ({listed(some).sql})")
            yield from cursor.fetchall()


def _batches(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(keys), MOST_ASKED):
        yield keys[start : start + MOST_ASKED]
