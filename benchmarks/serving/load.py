"""Load, by wrk: written in C, one thread of it sends more than any server here answers, and it takes little of the processor.

It waits for each answer before it sends the next request on that connection (a closed loop), and corrects its percentiles
for what a slow answer kept it from sending. The rate is over the time that it took itself.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT = 60  # seconds; who answers later than that has failed


@dataclass(frozen=True)
class Call:
    """One request that predicts, at a server of this machine."""

    port: int
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    method: str = "POST"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class Loaded:
    """Milliseconds; `status` counts answers from 400 on, `broken` what had no whole answer, `wrong` other answers than
    the one expected (where one was), `example` is the first of those; `cpu` are the seconds of the processor that wrk itself took."""

    requests: int
    seconds: float
    p50: float
    p99: float
    most: float
    status: int
    broken: int
    wrong: int
    example: str
    cpu: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def failed(self) -> int:
        # A wrong status is a wrong answer, too.
        return max(self.status, self.wrong) + self.broken

    def kept(self) -> dict[str, Any]:
        return {**asdict(self), "rate": self.rate, "failed": self.failed}


def required() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("The load comes from wrk, which is not here: apt-get install wrk (or your system's package).")


def run(call: Call, connections: int, seconds: int, *, answer: bytes | None = None) -> Loaded:
    """With `answer` every answer is compared with it."""
    with Running(call, connections, seconds, answer=answer) as running:
        return running.wait()


class Running:
    """A load that goes on while something else is done. `seconds` are whole ones."""

    def __init__(self, call: Call, connections: int, seconds: int, *, answer: bytes | None = None) -> None:
        self._folder = TemporaryDirectory()
        folder = Path(self._folder.name)
        (folder / "body").write_bytes(call.body)
        variables = {**os.environ, "BENCH_METHOD": call.method, "BENCH_BODY": str(folder / "body")}
        if answer is not None:
            (folder / "answer").write_bytes(answer)
            variables["BENCH_ANSWER"] = str(folder / "answer")
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--timeout", f"{TIMEOUT}s", "--script", str(SCRIPT)]
        for name, value in call.headers:
            command += ["--header", f"{name}: {value}"]
        self._cpu = _cpu_of_children()
        self._process = subprocess.Popen(
            [*command, call.url], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *args: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._folder.cleanup()

    @property
    def goes_on(self) -> bool:
        return self._process.poll() is None

    def end(self) -> Loaded:
        """What came of it until now."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> Loaded:
        output, _ = self._process.communicate()
        last = output.strip().splitlines()[-1:] or [""]
        if self._process.returncode or not last[0].startswith("{"):
            raise SystemExit(f"wrk ended with {self._process.returncode}: {output[-1000:]}")
        return Loaded(**json.loads(last[0]), cpu=_cpu_of_children() - self._cpu)


def _cpu_of_children() -> float:
    """Of those that have ended: exact for wrk as long as nothing else of ours ends meanwhile."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
