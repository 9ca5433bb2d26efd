"""Replicas that die, hang or are replaced while requests are on their way."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from models_registry.serving.gateway import Dispatcher, GatewayError, Limits, Route, Target
from models_registry.serving.gateway.dispatcher import choose
from models_registry.serving.replica import Replica, State
from models_registry.serving.worker import protocol
from models_registry.serving.worker.sockets import address_of
from tests.serving.conftest import IRIS, FromSource, Memory, until, wait_for

Launch = Callable[..., Replica]


def kill(replica: Replica) -> None:
    assert replica.pid
    os.kill(replica.pid, signal.SIGKILL)
    until(lambda: replica.poll() is State.EXITED)


@pytest.fixture
def pair(launch: Launch, moody_model: Path) -> list[Replica]:
    replicas = [launch(moody_model), launch(moody_model)]
    return [wait_for(replica, State.READY) for replica in replicas]


def score(http: httpx.Client, value: float, name: str = "moody") -> httpx.Response:
    return http.post(f"/services/{name}/score", json={"data": [[value]]})


def test_a_replica_killed_between_requests_is_passed_over(
    http: httpx.Client, memory: Memory, pair: list[Replica]
) -> None:
    memory.publish("moody", *pair)
    assert [score(http, 0).json() for _ in range(4)] == [[0.0]] * 4
    kill(pair[0])
    assert [score(http, 0).json() for _ in range(4)] == [[0.0]] * 4


def test_a_request_on_a_killed_replica_is_answered_by_another(
    http: httpx.Client, memory: Memory, pair: list[Replica]
) -> None:
    memory.publish("moody", *pair)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(score, http, 0.7)
        time.sleep(0.3)
        kill(pair[0])
        assert answer.result().json() == [0.7]


def test_a_request_waits_for_a_replacement(http: httpx.Client, memory: Memory, pair: list[Replica]) -> None:
    memory.publish("moody", pair[0])
    kill(pair[0])
    timer = threading.Timer(0.3, lambda: memory.publish("moody", pair[1]))
    timer.start()
    assert score(http, 0).json() == [0.0]
    timer.join()


def test_a_request_that_kills_replicas_is_not_given_a_third(
    http: httpx.Client, memory: Memory, launch: Launch, moody_model: Path, pair: list[Replica]
) -> None:
    third = wait_for(launch(moody_model), State.READY)
    memory.publish("moody", *pair, third)
    response = score(http, -1)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "replica_crashed")
    assert score(http, 0).json() == [0.0]
    assert third.poll() is State.READY


def test_no_replica_is_503_with_the_time_to_come_back(http: httpx.Client, memory: Memory, iris: Replica) -> None:
    memory.publish("moody", describe=iris.describe)
    response = http.post("/services/moody/score", json={"data": IRIS})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert int(response.headers["retry-after"]) > 0
    assert http.get("/services/moody/v2/health/ready").status_code == 503
    assert http.get("/services/moody/").json()["ready"] is False


def test_a_request_waits_for_the_first_replica_of_a_service_that_is_started(
    http: httpx.Client, memory: Memory, iris: Replica
) -> None:
    memory.publish("moody", is_starting=True)
    longer_than_for_a_replacement = 2.5
    timer = threading.Timer(longer_than_for_a_replacement, lambda: memory.publish("moody", iris))
    timer.start()
    response = http.post("/services/moody/score", json={"data": IRIS})
    assert (response.status_code, response.json()) == (200, [0, 2])
    timer.join()


def test_a_start_that_takes_longer_than_the_deadline_is_503_not_504(http: httpx.Client, memory: Memory) -> None:
    memory.publish("moody", is_starting=True)
    started = time.monotonic()
    response = http.post("/services/moody/score", json={"data": IRIS})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert "still being started" in response.json()["error"]["message"]
    assert int(response.headers["retry-after"]) > 0
    assert 3.5 < time.monotonic() - started < 5
    started = time.monotonic()
    assert http.get("/services/moody/v2/health/ready").status_code == 503
    assert time.monotonic() - started < 1, "a probe is answered at once"


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"closed": "The service moody is stopped"}, "not_running", "is stopped"),
        ({"elsewhere": "node-b"}, "served_elsewhere", "node-b"),
    ],
)
def test_what_waiting_does_not_mend_is_said_at_once(
    http: httpx.Client, memory: Memory, changes: dict[str, str], code: str, says: str
) -> None:
    memory.publish("moody", is_starting=True, **changes)
    started = time.monotonic()
    for response in (
        http.post("/services/moody/score", json={"data": IRIS}),
        http.get("/services/moody/v2/health/ready"),
    ):
        assert (response.status_code, response.json()["error"]["code"]) == (503, code)
        assert says in response.json()["error"]["message"]
    assert time.monotonic() - started < 1


def test_a_service_that_is_stopped_while_a_request_waits_says_so(http: httpx.Client, memory: Memory) -> None:
    memory.publish("moody", is_starting=True)
    timer = threading.Timer(0.3, lambda: memory.publish("moody", closed="The service moody is stopped"))
    timer.start()
    assert score(http, 0).json()["error"]["message"] == "The service moody is stopped"
    timer.join()


def test_a_model_that_takes_too_long_is_504_and_the_service_goes_on(
    http: httpx.Client, memory: Memory, pair: list[Replica]
) -> None:
    memory.publish("moody", pair[0])
    started = time.monotonic()
    response = score(http, 4.5)
    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")
    assert time.monotonic() - started < 6
    assert score(http, 0).json() == [0.0]


def test_a_call_that_does_not_return_ends_its_process_and_says_where_it_was(
    http: httpx.Client, memory: Memory, launch: Launch, moody_model: Path, pair: list[Replica]
) -> None:
    stuck = wait_for(launch(moody_model, call_seconds=5), State.READY)
    memory.publish("moody", stuck)
    assert score(http, 3600).json()["error"]["code"] == "deadline_exceeded"
    until(lambda: stuck.poll() is State.EXITED)
    memory.publish("moody", pair[0])
    assert score(http, 0).json() == [0.0]
    assert stuck.exit and not stuck.exit.expected
    assert stuck.exit.reason == "a call of the model did not return within 5 s; the log says where it was"
    assert "did not return within 5 s" in stuck.tail_log() and "served_model.py" in stuck.tail_log()


def test_a_call_that_lets_no_other_thread_run_is_ended_with_its_traceback(folder: Path, launch: Launch) -> None:
    called = folder / "held.called"
    source = f"""type("Held", (), {{"n_features_in_": 1, "predict": lambda self, x: [
        int(x[0][0]) and open({str(called)!r}, "w").close(),
        int(x[0][0]) and __import__("re").match("(a+)+$", "a" * 60 + "b"),  # for years, and no signal ends it
        x[:, 0].astype(float)][2]}})()"""
    path = folder / "held.pkl"
    path.write_bytes(pickle.dumps(FromSource(source)))
    replica = wait_for(launch(path, health_seconds=1), State.READY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        with address_of(replica.socket_path) as address:
            connection.connect(address)
        connection.sendall(protocol.encode(1, "predict", np.array([[3600.0]])))
        until(called.exists)
        until(lambda: replica.poll() is State.UNRESPONSIVE)
        replica.abort()
        until(lambda: replica.poll() is State.EXITED)
    log = replica.tail_log()
    assert "Fatal Python error: Aborted" in log and "served_model.py" in log, log


def test_a_full_queue_is_429(http: httpx.Client, memory: Memory, pair: list[Replica]) -> None:
    memory.publish("moody", pair[0])
    with ThreadPoolExecutor(9) as threads:
        answers = list(threads.map(lambda _: score(http, 0.3), range(9)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 8 + [429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert "8 requests" in refused.text and "MLPORTAL_SERVICE_WAITING" in refused.text
    assert int(refused.headers["retry-after"]) > 0


def test_an_answer_that_is_too_large_names_the_limit(memory: Memory, pair: list[Replica]) -> None:
    dispatcher = Dispatcher(memory, Limits(answer_bytes=100))
    memory.publish("moody", pair[0])

    async def ask() -> object:
        try:
            route = memory.routes["moody"]
            return await dispatcher.call(route, route.main, "predict", np.zeros((50, 1)))
        finally:
            dispatcher.close()

    with pytest.raises(GatewayError, match=r"at most 100 are taken \(MLPORTAL_SERVICE_ANSWER\)"):
        asyncio.run(ask())


def test_an_error_of_the_model_is_500_with_its_message(http: httpx.Client, memory: Memory, pair: list[Replica]) -> None:
    memory.publish("moody", pair[0])
    response = http.post("/services/moody/score", json={"data": [["text"]]})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "model_error")
    assert "TypeError" in response.json()["error"]["message"]


def test_replacing_a_replica_under_load_fails_no_request(
    http: httpx.Client, memory: Memory, pair: list[Replica]
) -> None:
    memory.publish("moody", pair[0])
    stop = threading.Event()

    def caller() -> list[int]:
        statuses = []
        while not stop.is_set():
            statuses.append(score(http, 0.001).status_code)
        return statuses

    with ThreadPoolExecutor(4) as threads:
        callers = [threads.submit(caller) for _ in range(4)]
        time.sleep(0.3)
        memory.publish("moody", pair[1])
        pair[0].stop(drain_seconds=5)
        until(lambda: pair[0].poll() is State.EXITED)
        time.sleep(0.3)
        stop.set()
        statuses = [status for future in callers for status in future.result()]
    assert len(statuses) > 10
    assert set(statuses) == {200}
    assert pair[0].exit and pair[0].exit.code == 0


def test_requests_are_shared_among_the_revisions_by_their_weights(iris: Replica) -> None:
    sockets = [iris.socket_path]
    targets = [Target("1", "iris:1", sockets, weight=90), Target("2", "iris:2", sockets, weight=10)]
    route = Route("d", "iris", targets, lambda _: True)
    chosen = Counter(choose(route).version for _ in range(2000))
    assert 100 < chosen["iris:2"] < 320, chosen


def test_a_revision_without_a_replica_gets_no_request(iris: Replica) -> None:
    targets = [Target("1", "iris:1", [iris.socket_path]), Target("2", "iris:2", [], weight=100)]
    route = Route("d", "iris", targets, lambda _: True)
    assert {choose(route).version for _ in range(100)} == {"iris:1"}
