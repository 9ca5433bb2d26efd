"""A portal that is hurt on purpose, and scripts whose every line and point can be counted afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.portal import Client, Portal, wait_until

# Logs a point, prints a line and writes a line to a file, every few milliseconds.
STEADY = """
import sys, time
from azureml.core import Run
run = Run.get_context()
count, seconds = int(sys.argv[1]), float(sys.argv[2])
with open("logs/training.log", "w", buffering=1) as log:
    for step in range(count):
        run.log("loss", 1 / (step + 1), step=step)
        print("printed", step, flush=True)
        log.write("written %d\\n" % step)
        time.sleep(seconds / count)
"""
COUNT = 500
VARIABLES = {"MLPORTAL_LOCAL_SLOTS": "8", "MLPORTAL_CANCEL_GRACE": "3s", "MLPORTAL_LOG_LIMIT": "20MB"}
Submit = Callable[..., str]


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with Portal(tmp_path_factory.mktemp("portal") / "home", VARIABLES) as portal:
        yield portal


@pytest.fixture(scope="package")
def client(portal: Portal) -> Iterator[Client]:
    with portal.client() as client:
        yield client


@pytest.fixture
def submit(client: Client, tmp_path: Path) -> Submit:
    """`submit(code, "argument", …)`: the uid of a new run in the smallest environment."""

    def submit(code: str, *arguments: str, experiment: str = "faults", definition: str = TINY) -> str:
        folder = tmp_path / experiment
        folder.mkdir(exist_ok=True)
        (folder / "train.py").write_text(code)
        return client.submit(folder, "train.py", definition, arguments=list(arguments), experiment=experiment)

    return submit


def steady(submit: Submit, seconds: float) -> str:
    return submit(STEADY, str(COUNT), str(seconds))


def lines_seen(client: Client, uid: str) -> int:
    return client.log(uid).count("\n")


def is_at(client: Client, uid: str, line: int) -> None:
    """Wait until this many lines of the run's output are in the portal."""
    wait_until(lambda: lines_seen(client, uid) >= line, what=f"{line} lines of {uid}")


def assert_exactly_once(client: Client, uid: str) -> None:
    """Every point, every printed and every written line of a steady script: once, and in order."""
    run = client.wait(uid, seconds=90)
    assert run["status"] == "Completed", run["failure"]
    assert client.log(uid).splitlines() == [f"printed {step}" for step in range(COUNT)]
    assert client.log(uid, "logs/training.log").splitlines() == [f"written {step}" for step in range(COUNT)]
    curve = client.get(f"runs/{uid}/metrics/series/", name="loss", points=COUNT)["loss"]
    assert curve["steps"] == list(range(COUNT))
    assert curve["values"] == [1 / (step + 1) for step in range(COUNT)]
    events = [event["new"] for event in client.get(f"runs/{uid}/events/")]
    assert events == ["NotStarted", "Preparing", "Queued", "Running", "Finalizing", "Completed"]
