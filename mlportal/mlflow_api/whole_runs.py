"""Runs with all that is told of them, many at once: in a query for each kind of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import orjson

from experiments.models import LoggedDataset, Metric, Parameter, Run, Tag
from experiments.search.attributes import NAME_TAG, PARENT_TAG
from mlportal.mlflow_api import logged_models, told
from mlportal.mlflow_api.call import Json
from mlportal.mlflow_api.shapes import ROW, info_of, name_of, number, pairs
from mlportal.statements import Among, Rows, among, text_of, together

MOST_ASKED: Final = 5000
NUMBERS: Final = ("last", "last_is_nan", "last_time", "last_step")
DATASET: Final = ("name", "digest", "source_type", "source", "schema", "profile")


def run_json(run: Run) -> Json:
    return runs_json([run.pk])[0]


def runs_json(keys: Sequence[int]) -> list[Json]:
    """The runs with all that is told of them, in the order of the keys; "data" is JSON already."""
    return [shape for some in _batches(keys) for shape in _runs_json(some)]


def _runs_json(keys: Sequence[int]) -> Iterable[Json]:
    """In a query for each kind, those of a message together. Plain tuples: a thousand runs have ten thousand values."""
    runs, datasets, used = together(*((text, [among(keys)]) for text in _of_rows()))
    by_key = {row[0]: row for row in runs}
    data = _data_of(runs)
    inputs, uses = _inputs(datasets), logged_models.uses_json(used)
    for key in keys:
        if key not in by_key:
            continue
        shape: Json = {"info": info_of(by_key[key]), "data": orjson.Fragment(data[key]), "inputs": {}}
        if key in inputs:
            shape["inputs"]["dataset_inputs"] = inputs[key]
        if of_models := uses.get(key):
            if "input" in of_models:
                shape["inputs"]["model_inputs"] = of_models["input"]
            if "output" in of_models:
                shape["outputs"] = {"model_outputs": of_models["output"]}
        yield shape


def _data_of(rows: Rows) -> dict[int, bytes]:
    """By key, what the runs logged, as JSON."""
    told_keys: dict[int, told.Key] = {row[0]: (row[1], row[12], name_of(row), row[11]) for row in rows}
    found = {key: text for key, told_key in told_keys.items() if (text := told.recall(told_key))}
    missing = [key for key in told_keys if key not in found]
    if missing:
        numbers, arguments, labels = together(*((text, [among(missing)]) for text in _of_values()))
        metrics, params, tags = _metrics(numbers), _named(arguments), _named(labels)
        for key in missing:
            _, _, name, parent = told_keys[key]
            own = [(NAME_TAG, name), *([(PARENT_TAG, parent)] if parent is not None else [])]
            others = [tag for tag in tags.get(key, ()) if tag["key"] not in dict(own)]
            data: Json = {"tags": [*others, *({"key": tag, "value": value} for tag, value in own)]}
            if key in metrics:
                data["metrics"] = metrics[key]
            if key in params:
                data["params"] = params[key]
            found[key] = orjson.dumps(data)
            told.remember(told_keys[key], found[key])
    return found


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


@cache
def _of_rows() -> list[str]:
    datasets = LoggedDataset.objects.filter(Among("run_id")).order_by("pk")
    return [
        text_of(Run.objects.filter(Among("pk")).order_by().values_list(*ROW)),
        text_of(datasets.values_list("run_id", "tags", *DATASET)),
        logged_models.uses_of_runs(),
    ]


@cache
def _of_values() -> list[str]:
    of_runs = Among("run_id")
    return [
        text_of(Metric.objects.filter(of_runs).order_by().values_list("run_id", "name", *NUMBERS)),
        text_of(Parameter.objects.filter(of_runs).order_by().values_list("run_id", "name", "value")),
        text_of(Tag.objects.filter(of_runs).order_by().values_list("run_id", "name", "value")),
    ]


def _batches(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(keys), MOST_ASKED):
        yield keys[start : start + MOST_ASKED]
