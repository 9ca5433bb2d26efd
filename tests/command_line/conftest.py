"""The command `mlportal` as people use it: a process of its own, a folder of code, a real portal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TINY
from tests.portal import Client, Portal
from tests.terminal import TerminalCommand

SDK = Path(__file__).resolve().parents[2] / "sdk"
sys.path.insert(0, str(SDK))  # it is never installed; some tests look at its tables
VARIABLES = {"MLPORTAL_LOCAL_SLOTS": "4", "MLPORTAL_CANCEL_GRACE": "3s"}


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with Portal(tmp_path_factory.mktemp("cli") / "home", VARIABLES) as running:
        yield running


@pytest.fixture(scope="package")
def client(portal: Portal) -> Iterator[Client]:
    with portal.client() as client:
        yield client


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Somebody's environment who has not logged in yet."""
    (tmp_path / "home").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(SDK),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
    }


@pytest.fixture
def environment(bare: dict[str, str], portal: Portal) -> dict[str, str]:
    return {**bare, "MLPORTAL_URL": portal.url, "MLPORTAL_TOKEN": portal.token}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the smallest environment there is."""
    folder = tmp_path / "iris"
    folder.mkdir()
    (folder / "environment.yml").write_text(TINY)
    return folder


class Done:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> list[Any]:
        """Every line of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Done]


@pytest.fixture
def mlportal(environment: dict[str, str], folder: Path) -> Run:
    """`mlportal("runs", "--json")` without a terminal; `python=` chooses the interpreter."""

    def run(*words: str, python: str = sys.executable, stdin: str = "", **variables: str) -> Done:
        done = subprocess.run(
            [python, "-m", "mlportal_sdk", *words],
            cwd=folder,
            env={**environment, **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert "Traceback" not in done.stderr or "train.py" in done.stderr, done.stderr
        return Done(done)

    return run


@pytest.fixture
def terminal(environment: dict[str, str], folder: Path) -> Callable[..., TerminalCommand]:
    """`with terminal("run", "train.py") as command`: on a terminal."""

    def start(*words: str, python: str = sys.executable, **variables: str) -> TerminalCommand:
        command = [python, "-m", "mlportal_sdk", *words]
        return TerminalCommand(command, env={**environment, **variables}, cwd=folder)

    return start
