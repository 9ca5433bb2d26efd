"""Whoever submits a run does not wait for the broker: a message is only a wake-up, and it is sent again."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.portal import Client, Portal
from tests.services.servers import RabbitMQ, Redis

pytestmark = [pytest.mark.services, pytest.mark.slow]
MOST_SECONDS = 1.0
Broker = RabbitMQ | Redis


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Broker:
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def portal(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with Portal(tmp_path_factory.mktemp("portal") / "home", {"BROKER_URL": broker.url}) as portal:
        yield portal


@contextlib.contextmanager
def nobody(port: int) -> Iterator[None]:
    """Connections are refused."""
    yield


@contextlib.contextmanager
def black_hole(port: int) -> Iterator[None]:
    """Connections are taken, and what is sent is swallowed."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(100)
        yield


@pytest.mark.parametrize("instead", [nobody, black_hole])
def test_a_submit_is_answered_at_once_and_the_run_starts_when_the_broker_is_back(
    portal: Portal, broker: Broker, instead: Callable[[int], contextlib.AbstractContextManager[None]], tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text("print('at last')\n")
    with portal.client() as client:
        first = client.submit(tmp_path, "train.py", TINY, experiment="away", environment_name="tiny")
        assert client.wait(first)["status"] == "Completed"
        snapshot = client.upload(tmp_path)["uid"]
        broker.stop()
        try:
            with instead(broker.port):
                submitted = [submit(client, snapshot) for _ in range(4)]
                assert {client.run(uid)["status"] for uid, _ in submitted} == {"NotStarted"}
        finally:
            broker.start()
        assert max(seconds for _, seconds in submitted) < MOST_SECONDS
        for uid, _ in submitted:
            assert client.wait(uid, seconds=90)["status"] == "Completed"
            assert client.log(uid) == "at last\n"


def submit(client: Client, snapshot: str) -> tuple[str, float]:
    """The run's uid, and how long the request took."""
    began = time.monotonic()
    body = {"experiment": "away", "snapshot": snapshot, "environment": {"name": "tiny"}, "script": "train.py"}
    uid: str = client.post("runs/", body)["id"]
    return uid, time.monotonic() - began
