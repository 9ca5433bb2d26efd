"""Large bodies are read by a process of their own, and all that wait are bounded together."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from models_registry.serving.gateway import Gateway
from models_registry.serving.gateway.http import Held
from models_registry.serving.gateway.understanding import ASIDE_BYTES
from models_registry.serving.replica import Replica, State
from tests.serving.conftest import IRIS, Memory, until, wait_for

MANY = IRIS * 2500
LONG = " " * ASIDE_BYTES
NAMES = ["a", "b", "c", "d"]


def inference(rows: list[list[float]]) -> dict[str, Any]:
    tensor = {"name": "input", "shape": [len(rows), 4], "datatype": "FP64", "data": rows}
    return {"id": "a1", "inputs": [tensor]}


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("score", json.dumps({"data": MANY}), "application/json"),
        ("score", json.dumps({"data": MANY, "method": "decision_function"}), "application/json"),
        ("invocations", json.dumps({"dataframe_split": {"columns": NAMES, "data": MANY}}), "application/json"),
        ("v2/models/iris/infer", json.dumps(inference(MANY)), "application/json"),
        ("score", "a,b,c,d\n" + "".join(f"{','.join(map(str, row))}\n" for row in MANY), "text/csv"),
    ],
)
def test_a_large_body_is_answered_as_a_small_one(
    http: httpx.Client, service: str, memory: Memory, path: str, body: str, kind: str
) -> None:
    headers = {"Content-Type": kind}
    large = http.post(f"/services/iris/{path}", content=body + "\n" * ASIDE_BYTES, headers=headers)
    assert multiprocessing.active_children()
    assert large.status_code == 200, large.text[:300]
    assert large.text.count("2") > 1000
    record = memory.records[-1]
    assert (record.status, record.rows) == (200, len(MANY))
    assert len(record.request) == 2048


def test_a_fault_in_a_large_body_is_told_as_in_a_small_one(http: httpx.Client, service: str, memory: Memory) -> None:
    answers = [
        http.post("/services/iris/score", content='{"data": [[1, 2]], "method": "decision_function"}' + end)
        for end in ("", LONG)
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json() == answers[1].json()
    assert [record.method for record in memory.records[-2:]] == ["decision_function"] * 2


def test_texts_of_a_large_body_reach_the_model(
    http: httpx.Client, memory: Memory, launch: Callable[..., Replica], folder: Path
) -> None:
    import joblib
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    joblib.dump(make_pipeline(CountVectorizer(), SVC()).fit(["good", "bad"] * 5, [1, 0] * 5), folder / "words.joblib")
    memory.publish("words", wait_for(launch(folder / "words.joblib"), State.READY), sample=1.0)
    texts = ["good", "bad"] * 1000
    memory.batches.clear()
    memory.samples.clear()
    answer = http.post("/services/words/score", content=json.dumps({"data": texts}) + LONG)
    assert answer.json() == [1, 0] * 1000
    assert memory.batches == [("words", 1, 2000)]
    ((_, _, payload, result),) = memory.samples  # of those that are encoded already, too
    assert json.loads(b"".join(payload.parts)) == {"rows": texts} and list(result) == answer.json()


def test_the_process_that_reads_large_bodies_is_started_again(http: httpx.Client, service: str) -> None:
    body = json.dumps({"data": IRIS}) + LONG
    assert http.post("/services/iris/score", content=body).json() == [0, 2]
    for child in multiprocessing.active_children():
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
    lost = http.post("/services/iris/score", content=body)
    if lost.status_code != 200:
        assert (lost.status_code, lost.json()["error"]["code"]) == (503, "not_ready")
    until(lambda: http.post("/services/iris/score", content=body).json() == [0, 2])


def test_a_large_body_waits_for_its_turn_no_longer_than_a_request_may_take(
    http: httpx.Client, service: str, gateway: Gateway
) -> None:
    body = json.dumps({"data": IRIS}) + LONG
    assert http.post("/services/iris/score", content=body).json() == [0, 2]
    (reader,) = multiprocessing.active_children()
    os.kill(reader.pid or 0, signal.SIGSTOP)
    try:
        late = http.post("/services/iris/score", content=body)
        assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_exceeded")
        assert "not read within 4 s" in late.text
        with pytest.raises(httpx.ReadTimeout):
            http.post("/services/iris/score", content=body, timeout=0.5)
        until(lambda: gateway.held.size == 0, 3)  # who has left does not wait
    finally:
        os.kill(reader.pid or 0, signal.SIGCONT)
    assert http.post("/services/iris/score", content=body).json() == [0, 2]


@pytest.fixture
def held(gateway: Any) -> Any:
    """What waits in the gateway, which takes no more than 1000 bytes of it."""
    held, gateway.held = gateway.held, Held(1000)
    yield gateway.held
    gateway.held = held


def test_the_bodies_of_all_that_wait_are_bounded_together(
    http: httpx.Client, held: Held, memory: Memory, launch: Callable[..., Replica], moody_model: Path, iris: Replica
) -> None:
    memory.publish("moody", wait_for(launch(moody_model), State.READY))
    memory.publish("iris", iris)
    rows = [[0.7], *[[0.0]] * 99]
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(http.post, "/services/moody/score", json={"data": rows})
        time.sleep(0.3)
        assert held.size == 800  # as the model gets them
        other = http.post("/services/iris/score", json={"data": IRIS * 5})
        assert (other.status_code, other.json()["error"]["code"]) == (429, "too_many_requests")
        assert "MLPORTAL_SERVICE_WAITING_BYTES" in other.text and int(other.headers["retry-after"]) > 0
        assert http.post("/services/iris/score", json={"data": IRIS}).json() == [0, 2]
        assert first.result().status_code == 200
    until(lambda: held.size == 0)
    assert http.post("/services/iris/score", json={"data": IRIS * 5}).status_code == 200


def test_what_is_refused_or_fails_is_not_held(http: httpx.Client, held: Held, service: str, memory: Memory) -> None:
    memory.routes["iris"] = replace(memory.routes["iris"], closed="The service iris is stopped")
    for content in ("no JSON", json.dumps({"data": [[1]]}), json.dumps({"data": IRIS}), "x" * 2000):
        assert http.post("/services/iris/score", content=content).status_code in (400, 429, 503)
    until(lambda: held.size == 0)
