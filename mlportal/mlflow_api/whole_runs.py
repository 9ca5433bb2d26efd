"""Runs with all that is told of them, many at once: in a query for each kind of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from django.db import connection
from django.db.models.expressions import RawSQL

from experiments.models import LoggedDataset, Metric, Parameter, Run, Tag
from experiments.search.attributes import NAME_TAG, PARENT_TAG
from mlportal.mlflow_api import logged_models
from mlportal.mlflow_api.call import Json
from mlportal.mlflow_api.shapes import ROW, info_of, name_of, number, pairs
from mlportal.statements import Rows, Statement, listed, statement_of, together

MOST_ASKED: Final = 5000
DATASET: Final = ("name", "digest", "source_type", "source", "schema", "profile")


def run_json(run: Run) -> Json:
    return runs_json([run.pk])[0]


def runs_json(keys: Sequence[int]) -> list[Json]:
    """The runs with all that is told of them, in the order of the keys."""
    return [shape for some in _batches(keys) for shape in _runs_json(some)]


def _runs_json(keys: Sequence[int]) -> Iterable[Json]:
    """In a query for each kind, all in one message. Plain tuples: a thousand runs have ten thousand values."""
    among = listed(keys)
    runs, numbers, arguments, labels, datasets, used = together(
        statement_of(Run.objects.filter(pk__in=among).order_by().values_list(*ROW)),
        _of_runs(Metric, "run_id, name, last, last_is_nan, last_time, last_step", among),
        _of_runs(Parameter, "run_id, name, value", among),
        _of_runs(Tag, "run_id, name, value", among),
        statement_of(LoggedDataset.objects.filter(run__in=among).order_by("pk").values_list("run", "tags", *DATASET)),
        logged_models.uses_of(among),
    )
    by_key = {row[0]: row for row in runs}
    metrics, params, tags = _metrics(numbers), _named(arguments), _named(labels)
    inputs, uses = _inputs(datasets), logged_models.uses_json(used)
    for key in keys:
        if key not in by_key:
            continue
        row = by_key[key]
        own_tags = [tag for tag in tags.get(key, ()) if tag["key"] != NAME_TAG]
        own_tags.append({"key": NAME_TAG, "value": name_of(row)})
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
        of_models = uses.get(key, {})
        if of_models.get("input"):
            shape["inputs"]["model_inputs"] = of_models["input"]
        if of_models.get("output"):
            shape["outputs"] = {"model_outputs": of_models["output"]}
        yield shape


def _metrics(rows: Rows) -> dict[int, list[Json]]:
    found: defaultdict[int, list[Json]] = defaultdict(list)
    for run, name, last, is_nan, time, step in rows:
        value: Any = "NaN" if is_nan else last if last is None or math.isfinite(last) else number(last)
        found[run].append({"key": name, "value": value, "timestamp": round(time * 1000), "step": step})
    return found


def _named(rows: Rows) -> dict[int, list[Json]]:
    found: defaultdict[int, list[Json]] = defaultdict(list)
    for run, name, value in rows:
        found[run].append({"key": name, "value": value or ""})
    return found


def _inputs(rows: Rows) -> dict[int, list[Json]]:
    found: defaultdict[int, list[Json]] = defaultdict(list)
    for run, tags, *values in rows:
        shape = {name: value for name, value in zip(DATASET, values, strict=True) if value}
        found[run].append({"tags": pairs(orjson.loads(tags)), "dataset": shape})
    return found


def _of_runs(model: type[Metric | Parameter | Tag], columns: str, runs: RawSQL) -> Statement:
    table = connection.ops.quote_name(model._meta.db_table)
    return f"SELECT {columns} FROM {table} WHERE run_id IN ({runs.sql})", []


def _batches(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(keys), MOST_ASKED):
        yield keys[start : start + MOST_ASKED]
