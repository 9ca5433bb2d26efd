"""A server that predicts: started in a session of its own, ready within a bound, ended with all that it has started."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil

from benchmarks.serving.environments import python_of
from benchmarks.serving.load import Call
from benchmarks.serving.model import Model
from benchmarks.serving.processes import family
from mlportal.demo.process import _free_port

READY_SECONDS = 120
END_SECONDS = 15
Rows = list[list[float]]


class DidNotServe(Exception):
    """The text says what it did instead."""


class Server(ABC):
    """`call` is what a client sends for rows; `check` that what comes back is right."""

    name: ClassVar[str]
    model: Model

    @abstractmethod
    def start(self, model: Model, folder: Path) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def call(self, rows: Rows) -> Call: ...

    @abstractmethod
    def parts(self) -> dict[str, list[psutil.Process]]:
        """Its processes, by what they do."""

    def labels(self, answer: Any) -> Any:
        """Those in the JSON of an answer."""
        return answer

    def check(self) -> None:
        for count in (1, len(self.model.rows)):
            status, body = send(self.call(self.model.rows[:count]))
            if status != 200 or self._labels(body) != self.model.labels[:count]:
                raise DidNotServe(f"{self.name} answered {count} rows with {status}: {body[:500]!r}")

    def _labels(self, body: bytes) -> list[int] | None:
        try:
            return [int(label) for label in self.labels(json.loads(body))]
        except (ValueError, TypeError, LookupError):
            return None


class Peer(Server):
    """One process from PyPI, with one worker."""

    requirements: ClassVar[str]
    _process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def write(self, folder: Path, model: Model) -> None:
        """What it needs in its folder, in which it starts."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The first word is a program of its environment."""

    def variables(self, port: int) -> dict[str, str]:
        return {}

    @property
    def python(self) -> Path:
        return python_of(self.requirements)

    def start(self, model: Model, folder: Path) -> None:
        self.model = model
        self.port = _free_port()
        folder.mkdir()
        try:
            self.write(folder, model)
        except subprocess.CalledProcessError as error:
            raise DidNotServe(f"{self.name} could not be installed or laid out: {error}") from None
        program, *arguments = self.command(self.port)
        path = f"{self.python.parent}:{os.environ.get('PATH', '')}"
        variables = {**os.environ, "PATH": path, "HOME": str(folder), **self.variables(self.port)}
        for name in ("PYTHONPATH", "VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE"):
            variables.pop(name, None)
        log = folder / "server.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(self.python.with_name(program)), *arguments],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._await(log)

    def _await(self, log: Path) -> None:
        """Ready is who answers as is right: every peer has another address for its health."""
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                return self.check()
            except (OSError, http.client.HTTPException, DidNotServe) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    tail = log.read_text(errors="replace")[-2000:]
                    raise DidNotServe(f"{self.name} did not start ({error}): {tail}") from None
            time.sleep(0.2)

    def stop(self) -> None:
        if self._process is None:
            return
        members = family(self._process.pid) if self._process.poll() is None else []
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        _, left = psutil.wait_procs(members, timeout=END_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in left:  # those that have left the group
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._process = None

    def parts(self) -> dict[str, list[psutil.Process]]:
        assert self._process is not None
        return {"server": family(self._process.pid)}


def send(call: Call) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", call.port, timeout=60)
    try:
        connection.request(call.method, call.path, call.body, dict(call.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
