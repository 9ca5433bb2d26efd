"""Every estimator of scikit-learn is served, and answers what it answers in process: a real model worker, HTTP."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import estimators
from tests.serving.conftest import Memory
from tests.serving.nursing import Nursery, as_json, same, served

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


@pytest.fixture(scope="module")
def nursery(folder: Path, memory: Memory) -> Iterator[Nursery]:
    it = Nursery(folder, memory)
    yield it
    it.close()


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
