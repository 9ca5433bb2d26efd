"""Real runs: each test gets a run directory, a script written on the spot, and a real runner."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from experiments.runner import launch, processes
from experiments.runner.contract import Exit, Limits, Spec

T = TypeVar("T")


def wait_until(answer: Callable[[], T | None], seconds: float = 10.0, what: str = "") -> T:
    """The first truthy answer; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := answer()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or answer}"
        time.sleep(0.01)
    return value


def is_running(pid: int) -> bool:
    process = processes.read(pid)
    return process is not None and process.state not in "ZX"


class RealRun:
    """A prepared run directory whose script is a piece of Python."""

    def __init__(self, run_dir: Path) -> None:
        self.dir = run_dir
        self.pid = 0
        launch.prepare_directory(run_dir)

    def spec(self, argv: list[str], limits: Limits | None = None, environment: dict[str, str] | None = None) -> None:
        complete = {"MLPORTAL_RUN_DIR": str(self.dir), "PYTHONUNBUFFERED": "1", "PATH": "/usr/bin:/bin"}
        spec: Spec = {
            "run_uid": "run_1",
            "argv": argv,
            "environment": {**complete, **(environment or {})},
            "limits": limits or {},
        }
        launch.write_spec(self.dir, spec)

    def start(self, code: str, limits: Limits | None = None, environment: dict[str, str] | None = None) -> RealRun:
        (self.dir / "work" / "train.py").write_text(code)
        self.spec([sys.executable, "-S", "train.py"], limits, environment)
        self.pid = launch.start(self.dir)
        return self

    def finish(self, seconds: float = 15.0) -> Exit:
        return wait_until(lambda: launch.read_exit(self.dir), seconds, f"exit.json of {self.dir}")

    @property
    def log(self) -> bytes:
        return (self.dir / "logs" / "std_log.txt").read_bytes()

    def saw(self, text: bytes, seconds: float = 10.0) -> None:
        wait_until(
            lambda: (self.dir / "logs/std_log.txt").exists() and text in self.log, seconds, f"{text!r} in the log"
        )

    @property
    def inner_pid(self) -> int:
        return next(process.pid for process in processes.table() if process.parent == self.pid)

    @property
    def script_pid(self) -> int:
        return int(json.loads((self.dir / "runner.json").read_text())["script_pid"])

    def pids_in(self, name: str, count: int) -> list[int]:
        """The pids that the script wrote into work/<name>, one a line, once there are `count` of them."""
        path = self.dir / "work" / name
        wait_until(lambda: path.exists() and len(path.read_text().split()) >= count, what=f"{count} pids in {name}")
        return [int(pid) for pid in path.read_text().split()]

    def discard(self) -> None:
        if self.pid and launch.is_alive(self.dir):
            os.kill(self.pid, signal.SIGKILL)
            wait_until(lambda: not launch.is_alive(self.dir))
        launch.kill_leftovers(self.dir)


@pytest.fixture
def new_run(tmp_path: Path) -> Iterator[Callable[[], RealRun]]:
    """Makes run directories; ends whatever still runs in them afterwards."""
    made: list[RealRun] = []

    def make() -> RealRun:
        made.append(RealRun(tmp_path / f"run_{len(made)}"))
        return made[-1]

    yield make
    for run in made:
        run.discard()


@pytest.fixture
def run(new_run: Callable[[], RealRun]) -> RealRun:
    return new_run()
