"""Every estimator of scikit-learn is served, and answers what it answers in process: a real model worker, HTTP."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pytest

from models_registry.serving.gateway import Route, Target
from models_registry.serving.probe import Probe
from models_registry.serving.replica import WORKER
from tests.serving import estimators
from tests.serving.conftest import Memory, authorize, until

NURSERY = Path(__file__).with_name("nursery.py")
# What changes a model, draws at random, or needs the truth is not called by strangers.
NOT_SERVED = {
    "fit",
    "partial_fit",
    "fit_predict",
    "fit_transform",
    "score",
    "staged_score",
    "sample_y",
    "path",
    "gibbs",
}
NOT_SERVED |= {"correct_covariance", "reweight_covariance", "cost_complexity_pruning_path"}
ROWS = {"X", "Y", "T", "K", "raw_X", "raw_documents", "y", "yt"}  # what scikit-learn calls the rows
WITHOUT_EXAMPLE = {"RadiusNeighborsClassifier"}  # nothing of what it was fitted on is near the average


class Nursery:
    def __init__(self, folder: Path, memory: Memory) -> None:
        self.folder, self.memory, self.number = folder, memory, 0
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-u", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **limits},
        )

    def serve(self, name: str, model: Any) -> tuple[int, dict[str, Any] | None, str]:
        """(process id, what the worker says of the model or None, its log)."""
        self.number += 1
        file, socket, log = (self.folder / f"n{self.number}.{end}" for end in ("joblib", "socket", "log"))
        joblib.dump(model, file)
        spec = json.dumps({"parent": self.process.pid})
        line = json.dumps([str(log), str(WORKER), ["--socket", str(socket), "--model", str(file), "--spec", spec]])
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        describe = until(lambda: self._describe(socket) or (not os.path.exists(f"/proc/{child}") and "gone"))
        if describe != "gone":
            route = Route(f"d-{name}", name, [Target("1", "1", [socket], describe)], authorize)
            self.memory.routes[name] = route
        return child, None if describe == "gone" else describe, log.read_text()

    def _describe(self, socket: Path) -> dict[str, Any] | None:
        probe = Probe.begin(socket, "describe")
        if probe is None:
            return None
        try:
            answer: dict[str, Any] | None = until(lambda: probe.answer() or probe.broken)
            return answer
        finally:
            probe.close()


@pytest.fixture(scope="module")
def nursery(folder: Path, memory: Memory) -> Iterator[Nursery]:
    it = Nursery(folder, memory)
    yield it
    memory.routes.clear()
    assert it.process.stdin
    it.process.stdin.close()
    it.process.wait(30)


@contextlib.contextmanager
def served(nursery: Nursery, name: str, model: Any) -> Iterator[dict[str, Any]]:
    child, describe, log = nursery.serve(name, model)
    assert describe is not None, log
    try:
        yield describe
    finally:
        os.kill(child, signal.SIGTERM)


def as_json(value: Any) -> Any:
    """What of a result JSON can hold: the rule of docs/how-to/call-a-service.md, written a second time."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    if isinstance(value, (list, tuple, types.GeneratorType)):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return as_json(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def same(got: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, dict):
        return isinstance(got, dict) and got.keys() == expected.keys() and all(same(got[k], expected[k]) for k in got)
    if isinstance(expected, float) and isinstance(got, (int, float)):
        return abs(got - expected) <= 1e-12 * max(1.0, abs(expected))
    return type(got) is type(expected) and got == expected


def takes_rows(estimator: Any) -> set[str]:
    """Its methods whose first argument has a name for rows."""
    estimator = estimator.estimator if type(estimator).__name__ == "FrozenEstimator" else estimator
    found = set()
    for name in dir(estimator):
        if name.startswith("_") or name in NOT_SERVED or not callable(method := getattr(estimator, name, None)):
            continue
        if inspect.ismethod(method) and next(iter(inspect.signature(method).parameters), None) in ROWS:
            found.add(name)
    return found


def asked_of(estimator: Any, method: str, asked: Any) -> Any:
    """The rows for a method: inverse_transform takes what transform answered."""
    if method != "inverse_transform":
        return asked
    found = estimator.transform(asked)
    return found.toarray() if hasattr(found, "toarray") else found


@pytest.mark.parametrize("name", sorted(set(estimators.ESTIMATORS) - set(estimators.WITHOUT_METHODS)))
def test_it_answers_as_in_process(http: httpx.Client, nursery: Nursery, name: str) -> None:
    if name in estimators.CANNOT_BE_FITTED:
        with pytest.raises(Exception):  # noqa: B017 - whatever it raises: one that can be fitted is to be served
            estimators.fitted(name)
        return
    estimator, asked = estimators.fitted(name)
    with served(nursery, name, estimator) as describe, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert set(describe["methods"]) == takes_rows(estimator)
        for method in describe["methods"]:
            rows = asked_of(estimator, method, asked)
            answer = http.post(f"/services/{name}/score", json={"data": as_json(rows), "method": method})
            expected = as_json(getattr(estimator, method)(rows))
            expected = expected if isinstance(expected, list) else [expected]
            assert answer.status_code == 200, (method, answer.text)
            assert same(answer.json(), expected), (method, answer.text[:500], expected)
        assert (describe["example"] is None) == (name in WITHOUT_EXAMPLE)
        document = http.get(f"/services/{name}/openapi.json").json()
        for path in () if name in WITHOUT_EXAMPLE else ("/score", "/invocations"):
            example = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
            answer = http.post(f"/services/{name}{path}", json=example)
            assert answer.status_code == 200, (example, answer.text)


@pytest.mark.parametrize("name", sorted(estimators.WITHOUT_METHODS))
def test_one_that_has_nothing_to_say_of_new_rows_is_not_served_and_says_why(nursery: Nursery, name: str) -> None:
    _, describe, log = nursery.serve(name, estimators.fitted(name)[0])
    assert describe is None
    assert f"the model cannot be loaded: {name} answers only about the rows that it was fitted on" in log


def test_one_that_is_not_fitted_is_not_served(nursery: Nursery) -> None:
    _, describe, log = nursery.serve("Unfitted", estimators.ESTIMATORS["SVC"]())
    assert describe is None and "the model cannot be loaded: it is not fitted" in log


def test_what_is_no_model_is_not_served(nursery: Nursery) -> None:
    _, describe, log = nursery.serve("NoModel", {"model": estimators.fitted("SVC")[0], "threshold": 0.5})
    assert describe is None and "dict has no method that takes rows, such as predict or transform" in log


@pytest.mark.parametrize(
    ("name", "method", "params"),
    [
        ("GaussianProcessRegressor", "predict", {"return_std": True}),
        ("GaussianProcessRegressor", "predict", {"return_cov": True}),
        ("BayesianRidge", "predict", {"return_std": True}),
        ("NearestNeighbors", "kneighbors", {"n_neighbors": 2, "return_distance": False}),
        ("NearestNeighbors", "radius_neighbors", {"radius": 0.8, "sort_results": True}),
    ],
)
def test_further_arguments_reach_the_method(
    http: httpx.Client, nursery: Nursery, name: str, method: str, params: dict[str, Any]
) -> None:
    estimator, asked = estimators.fitted(name)
    with served(nursery, f"{name}2", estimator):
        body = {"data": as_json(asked), "method": method, "params": params}
        expected = as_json(getattr(estimator, method)(asked, **params))
        assert same(http.post(f"/services/{name}2/score", json=body).json(), expected)
        invocation = {"inputs": as_json(asked), "method": method, "params": params}
        answer = http.post(f"/services/{name}2/invocations", json=invocation).json()
        assert same(answer, {"predictions": expected})
        tensor = {"name": "x", "shape": [3, 4], "datatype": "FP64", "data": as_json(asked)}
        answer = http.post(
            f"/services/{name}2/v2/models/{name}2/infer",
            json={"inputs": [tensor], "parameters": {**params, "method": method}},
        ).json()
        outputs = [output["name"] for output in answer["outputs"]]
        assert outputs and all(output.startswith(method) for output in outputs), answer
        wrong = http.post(f"/services/{name}2/score", json={**body, "params": {"check_input": False}})
        assert wrong.status_code == 400 and "takes no parameter check_input; it has" in wrong.text
