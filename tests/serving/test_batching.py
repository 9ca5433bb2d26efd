"""Requests that wait for the same model become one call of it: who gains, and that nobody notices otherwise."""

from __future__ import annotations

import asyncio
import math
import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.decomposition import NMF, MiniBatchNMF
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from models_registry.serving.gateway import Dispatcher, GatewayError, Limits
from models_registry.serving.gateway.batching import key_of, shares
from models_registry.serving.gateway.connections import Link, Request
from models_registry.serving.gateway.patrol import ClientGone
from models_registry.serving.replica import Replica, State
from models_registry.serving.worker.description import by_row
from tests.serving.conftest import IRIS, FromSource, Memory, until, wait_for

Launch = Callable[..., Replica]
# Answers rows as they are, and counts itself among scikit-learn's; at -1 it ends its process, at 9 it fails.
ECHO = """
type("Echo", (), {"__module__": "sklearn.echo", "n_features_in_": 1, "get_params": lambda self, deep=True: {},
    "predict": lambda self, x: [
        __import__("os").kill(__import__("os").getpid(), 9) if (x == -1).any() else None,
        1 / 0 if (x == 9).any() else None,
        x[:, 0].astype(float),
    ][2]})()
""".replace("\n", " ").strip()


def ask(memory: Memory, name: str, method: str, payloads: Sequence[Any], **limits: Any) -> list[Any]:
    """The answers to requests that come at once, and errors in the place of answers."""
    memory.batches.clear()

    async def all_of_them() -> list[Any]:
        dispatcher = Dispatcher(memory, Limits(**limits), memory)
        route = memory.routes[name]
        calls = [dispatcher.call(route, route.main, method, payload) for payload in payloads]
        try:
            return list(await asyncio.gather(*calls, return_exceptions=True))
        finally:
            assert dispatcher.waiting(route) == 0
            dispatcher.close()

    return asyncio.run(all_of_them())


def calls(memory: Memory) -> list[tuple[int, int]]:
    """(requests, rows) of each call of a model."""
    return [(requests, rows) for _, requests, rows in memory.batches]


@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_stacked_answers_are_those_of_single_calls_to_the_last_bit(
    memory: Memory, iris: Replica, iris_model: Path, method: str
) -> None:
    memory.publish("iris", iris)
    rows = load_iris(return_X_y=True)[0]
    payloads = [rows[start : start + count] for start, count in ((0, 1), (50, 3), (53, 1), (100, 40), (149, 1))]
    answers = ask(memory, "iris", method, payloads)
    assert calls(memory) == [(5, 46)]
    model = joblib.load(iris_model)
    for answer, payload in zip(answers, payloads, strict=True):
        np.testing.assert_array_equal(answer, getattr(model, method)(payload))


def test_a_request_that_comes_alone_is_a_call_of_its_own_at_once(
    http: httpx.Client, service: str, memory: Memory
) -> None:
    memory.batches.clear()
    for _ in range(3):
        assert http.post(f"/services/{service}/score", json={"data": IRIS}).json() == [0, 2]
    assert calls(memory) == [(1, 2)] * 3


def test_what_differs_in_method_type_or_width_is_not_one_call(memory: Memory, iris: Replica) -> None:
    memory.publish("iris", iris)
    numbers = np.array(IRIS)
    answers = ask(memory, "iris", "predict", [numbers, numbers.astype("f4"), numbers[:, :3], numbers])
    assert calls(memory) == [(2, 4), (1, 2), (1, 2)]
    assert isinstance(answers.pop(2), GatewayError)
    assert [answer.tolist() for answer in answers] == [[0, 2]] * 3


@pytest.mark.parametrize(("limit", "expected"), [(1, [(1, 2)] * 3), (4, [(2, 4), (1, 2)]), (5, [(2, 4), (1, 2)])])
def test_the_rows_of_a_call_are_bounded_by_a_setting(
    memory: Memory, iris: Replica, limit: int, expected: list[tuple[int, int]]
) -> None:
    memory.publish("iris", iris)
    answers = ask(memory, "iris", "predict", [np.array(IRIS)] * 3, batch_rows=limit)
    assert calls(memory) == expected
    assert [answer.tolist() for answer in answers] == [[0, 2]] * 3


@pytest.mark.parametrize(
    ("seconds", "answered", "expected"),
    [(0.0, 0, 4), (0.0, 4, 6), (0.0, 8, 8), (1.0, 0, 8), (math.inf, 8, 8)],
)
def test_a_quick_model_is_called_for_half_of_those_who_ask_and_a_slow_one_for_all(
    memory: Memory, iris: Replica, seconds: float, answered: int, expected: int
) -> None:
    """So that gateway and model work at the same time, where that counts."""
    memory.publish("iris", iris)

    async def next_call() -> int:
        link = Link(iris.socket_path, Limits(), lambda link: None, None, None)
        link.call_seconds, link.just_answered = seconds, answered
        route, key = memory.routes["iris"], ("predict", "<f8", 4)
        for _ in range(8):
            request = Request(route, route.main, "predict", np.array(IRIS), key, 0.0, 30)
            request.result = asyncio.get_running_loop().create_future()
            link.queue[request] = None
        return len(link._next())

    assert asyncio.run(next_call()) == expected


def test_a_request_with_bad_rows_harms_none_that_were_called_with_it(memory: Memory, iris: Replica) -> None:
    memory.publish("iris", iris)
    bad = np.array([[1.0, 2.0, np.nan, 4.0]])
    first, error, last = ask(memory, "iris", "predict", [np.array(IRIS), bad, np.array(IRIS[::-1])])
    assert (first.tolist(), last.tolist()) == ([0, 2], [2, 0])
    assert isinstance(error, GatewayError) and (error.status, error.code) == (400, "bad_input")
    assert calls(memory) == [(3, 5), (1, 2), (1, 1), (1, 2)]


@pytest.fixture
def echo(folder: Path, launch: Launch) -> Callable[[], Replica]:
    path = folder / "echo.pkl"
    path.write_bytes(pickle.dumps(FromSource(ECHO)))
    return lambda: wait_for(launch(path), State.READY)


def column(*values: float) -> Any:
    return np.array([[value] for value in values])


def test_a_request_that_the_model_fails_on_harms_none_that_were_called_with_it(
    memory: Memory, echo: Callable[[], Replica]
) -> None:
    memory.publish("echo", echo())
    first, error, last = ask(memory, "echo", "predict", [column(1, 2), column(9), column(3)])
    assert (first.tolist(), last.tolist()) == ([1, 2], [3])
    assert isinstance(error, GatewayError) and (error.status, error.code) == (500, "model_error")


def test_a_request_that_ends_replicas_takes_none_along_that_were_called_with_it(
    memory: Memory, echo: Callable[[], Replica]
) -> None:
    replicas = [echo(), echo(), echo()]
    memory.publish("echo", *replicas)
    *answers, error = ask(memory, "echo", "predict", [column(0), column(1), column(2), column(-1)])
    assert [answer.tolist() for answer in answers] == [[0], [1], [2]]
    assert isinstance(error, GatewayError) and error.code == "replica_crashed"
    until(lambda: sorted(replica.poll() is State.READY for replica in replicas) == [False, False, True])


def test_a_method_whose_answer_is_not_one_item_a_row_is_asked_for_each_request(
    folder: Path, memory: Memory, launch: Launch
) -> None:
    x, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(2, random_state=1).fit(x, np.stack([y, y > 1], axis=1))  # two outputs: two lists
    joblib.dump(model, folder / "two.joblib")
    memory.publish("two", wait_for(launch(folder / "two.joblib"), State.READY))
    answers = ask(memory, "two", "predict_proba", [x[:1], x[100:101], x[149:]])
    assert calls(memory) == [(3, 3), (1, 1), (1, 1), (1, 1)]
    assert answers[1] == [array.tolist() for array in model.predict_proba(x[100:101])]


def test_answers_of_texts_are_shared_out(folder: Path, memory: Memory, launch: Launch) -> None:
    x, y = load_iris(return_X_y=True)
    joblib.dump(SVC().fit(x, np.array(["a", "b", "c"])[y]), folder / "texts.joblib")
    memory.publish("texts", wait_for(launch(folder / "texts.joblib"), State.READY))
    assert ask(memory, "texts", "predict", [x[:1], x[[100, 0]]]) == [["a"], ["c", "a"]]
    assert calls(memory) == [(2, 3)]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (np.arange(3), [[0], [1, 2]]),
        ([1, "b", None], [[1], ["b", None]]),
        (np.arange(2), None),
        (np.array(3), None),
        ([[1], [2], [3]], None),
        ({"a": 1}, None),
    ],
)
def test_an_answer_is_shared_out_by_rows_or_not_at_all(result: Any, expected: Any) -> None:
    parts = shares(result, [1, 2])
    assert parts is None if expected is None else [list(part) for part in parts or []] == expected


def test_rows_go_together_only_where_a_row_is_answered_by_itself() -> None:
    numbers, by = np.zeros((2, 3)), {"by_row": True}
    assert key_of("predict", numbers, by) == key_of("predict", numbers[:1], by) is not None
    for method, payload, describe in (
        ("run", numbers, by),
        ("fit_predict", numbers, by),
        ("predict", numbers, {}),
        ("predict", numbers, {"by_row": False}),
        ("predict", {"rows": [["a"]]}, by),
        ("predict", np.zeros(3), by),
    ):
        assert key_of(method, payload, describe) is None


def test_models_of_known_libraries_are_by_row_and_those_of_people_are_not() -> None:
    centred = FunctionTransformer(lambda x: x - x.mean(axis=0))
    own = type("Own", (SVC,), {"__module__": "own"})
    assert by_row(SVC()) and by_row(make_pipeline(StandardScaler(), SVC()))
    assert not by_row(make_pipeline(centred, SVC())) and not by_row(own()) and not by_row(make_pipeline(own()))
    assert not by_row(object())
    selected, logarithms = SelectKBest(f_classif), {"func": np.log1p, "inverse_func": np.expm1}
    assert by_row(make_pipeline(selected, SVC())) and by_row(TransformedTargetRegressor(Ridge(), **logarithms))
    shares = {"func": lambda y: y, "inverse_func": lambda y: y / y.sum()}
    assert not by_row(TransformedTargetRegressor(Ridge(), **shares))


def test_estimators_whose_answer_for_a_row_depends_on_the_others_are_not_by_row() -> None:
    x = np.abs(load_iris(return_X_y=True)[0])
    for model in (NMF(2, random_state=0), MiniBatchNMF(2, random_state=0)):
        model.fit(x)
        together, alone = model.transform(x[::7]), [model.transform(row) for row in x[::7, None]]
        assert not np.allclose(together, np.concatenate(alone), rtol=1e-6)
        assert not by_row(model) and not by_row(make_pipeline(MinMaxScaler(), model))


def test_who_leaves_before_the_turn_comes_is_not_worked_for(
    http: httpx.Client, memory: Memory, launch: Launch, moody_model: Path
) -> None:
    memory.publish("moody", wait_for(launch(moody_model), State.READY))
    memory.batches.clear()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(http.post, "/services/moody/score", json={"data": [[1.2]]})
        time.sleep(0.3)
        with pytest.raises(httpx.TimeoutException):
            http.post("/services/moody/score", json={"data": [[0.7], [0.7]]}, timeout=0.3)
        assert first.result().json() == [1.2]
    assert http.post("/services/moody/score", json={"data": [[0]]}).json() == [0.0]
    assert calls(memory) == [(1, 1), (1, 1)]


def test_who_leaves_while_no_replica_is_there_is_let_go(memory: Memory) -> None:
    memory.publish("moody", is_starting=True)

    async def leave() -> None:
        await asyncio.sleep(0.1)

    async def call() -> None:
        dispatcher = Dispatcher(memory, Limits())
        route = memory.routes["moody"]
        try:
            await dispatcher.call(route, route.main, "predict", np.zeros((1, 1)), watch=leave)
        finally:
            dispatcher.close()

    with pytest.raises(ClientGone):
        asyncio.run(asyncio.wait_for(call(), 10))


def test_health_is_answered_while_the_model_works(
    http: httpx.Client, memory: Memory, launch: Launch, moody_model: Path
) -> None:
    memory.publish("moody", wait_for(launch(moody_model), State.READY))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(http.post, "/services/moody/score", json={"data": [[3.0]]})
        time.sleep(0.3)
        assert http.get("/services/moody/v2/health/ready").status_code == 200
        assert not first.done()
        assert first.result().json() == [3.0]


def test_a_batch_whose_answer_is_too_large_is_asked_one_by_one(memory: Memory, iris: Replica) -> None:
    memory.publish("iris", iris)
    many = np.array(IRIS * 5)
    answers = ask(memory, "iris", "predict", [many] * 3, answer_bytes=100)
    assert [answer.tolist() for answer in answers] == [[0, 2] * 5] * 3
