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


def run_json(run: Run) -> orjson.Fragment:
    return runs_json([run.pk])[0]


def runs_json(keys: Sequence[int]) -> list[orjson.Fragment]:
    """The runs with all that is told of them, in the order of the keys."""
    return [shape for some in _batches(keys) for shape in _runs_json(some)]


def _runs_json(keys: Sequence[int]) -> Iterable[orjson.Fragment]:
    """In a query for each kind, those of a message together. Plain tuples: a thousand runs have ten thousand values."""
    rows, datasets, used = together(*((text, [among(keys)]) for text in _of_each()))
    own = _own_of({row[0]: row for row in rows})
    inputs, uses = _inputs(datasets), logged_models.uses_json(used)
    for key in keys:
        if key in own:
            others = _others(inputs.get(key), uses.get(key, {})) if key in inputs or key in uses else b'"inputs":{}'
            yield orjson.Fragment(b"{" + own[key] + b"," + others + b"}")


def _own_of(wanted: dict[int, told.Key]) -> dict[int, bytes]:
    """By key, what a run itself tells: the members "info" and "data" of its JSON."""
    found = {key: text for key, by in wanted.items() if (text := told.recall(by)) is not None}
    missing = [key for key in wanted if key not in found]
    if missing:
        runs, numbers, arguments, labels = together(*((text, [among(missing)]) for text in _of_missing()))
        metrics, params, tags = _metrics(numbers), _named(arguments), _named(labels)
        for row in runs:
            key, own = row[0], {NAME_TAG: name_of(row), **({PARENT_TAG: row[11]} if row[11] is not None else {})}
            others = [tag for tag in tags.get(key, ()) if tag["key"] not in own]
            data: Json = {"tags": [*others, *pairs(own)]}
            if key in metrics:
                data["metrics"] = metrics[key]
            if key in params:
                data["params"] = params[key]
            found[key] = orjson.dumps({"info": info_of(row), "data": data})[1:-1]
            told.remember(wanted[key], found[key])
    return found


def _others(inputs: list[Json] | None, uses: dict[str, list[Json]]) -> bytes:
    """What is told beside: the members "inputs" and "outputs"."""
    shape: Json = {"inputs": {}}
    if inputs:
        shape["inputs"]["dataset_inputs"] = inputs
    if "input" in uses:
        shape["inputs"]["model_inputs"] = uses["input"]
    if "output" in uses:
        shape["outputs"] = {"model_outputs": uses["output"]}
    return orjson.dumps(shape)[1:-1]


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
def _of_each() -> list[str]:
    datasets = LoggedDataset.objects.filter(Among("run_id")).order_by("pk")
    return [
        text_of(Run.objects.filter(Among("pk")).order_by().values_list(*told.KEY)),
        text_of(datasets.values_list("run_id", "tags", *DATASET)),
        logged_models.uses_of_runs(),
    ]


@cache
def _of_missing() -> list[str]:
    of_runs = Among("run_id")
    return [
        text_of(Run.objects.filter(Among("pk")).order_by().values_list(*ROW)),
        text_of(Metric.objects.filter(of_runs).order_by().values_list("run_id", "name", *NUMBERS)),
        text_of(Parameter.objects.filter(of_runs).order_by().values_list("run_id", "name", "value")),
        text_of(Tag.objects.filter(of_runs).order_by().values_list("run_id", "name", "value")),
    ]


def _batches(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(keys), MOST_ASKED):
        yield keys[start : start + MOST_ASKED]
