"""One model worker process: start, watch, stop. No threads and no waiting: whoever supervises calls `poll()` often.

The process dies with the thread that started it (PDEATHSIG), so the supervisor starts replicas from its main thread.
"""

from __future__ import annotations

import enum
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.runner import processes
from models_registry.serving.confinement import Confinement
from models_registry.serving.probe import Probe

WORKER = Path(__file__).parent / "worker" / "__main__.py"
EXIT_OUT_OF_MEMORY, EXIT_NOT_RETURNED = 5, 6
ABORT_SECONDS = 1.0
WEIGH_SECONDS = 1.0
OUT_OF_MEMORY_SIGNS = (
    "MemoryError",
    "out of memory",
    "bad_alloc",
    "Unable to allocate",
    "Memory allocation still failed",
    "Cannot allocate memory",
    "can't start new thread",
    "pthread_create failed",
)


class State(enum.Enum):
    """The states of a replica, in the order of its life. READY and UNRESPONSIVE may alternate."""

    STARTING = "starting"
    READY = "ready"
    UNRESPONSIVE = "unresponsive"
    STOPPING = "stopping"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a replica may use. None is no limit."""

    memory_bytes: int | None = None
    open_files: int | None = 1024
    file_bytes: int | None = 100 << 20  # of each file that it writes, its log included
    request_bytes: int | None = None  # of a request as it comes over the socket; None: the protocol's own limit
    start_seconds: float = 60
    call_seconds: float = 60  # of one call: a longer one ends the process
    health_seconds: float = 30  # silent for longer: UNRESPONSIVE


@dataclass(frozen=True, slots=True)
class ExitInfo:
    """How a replica ended. `reason` is a sentence for the page."""

    code: int | None
    signal: int | None
    expected: bool
    out_of_memory: bool
    lived_seconds: float
    reason: str


@dataclass
class Backoff:
    """How long to wait before a replica is started again, and when to give up.

    A replica that lived shorter than `quick_seconds` failed quickly; `give_up_after` of those in a row end it. One that
    had settled and ends for the first time is replaced at once: its callers wait.
    """

    first: float = 1.0
    longest: float = 30.0
    settled_seconds: float = 5.0
    quick_seconds: float = 60.0
    give_up_after: int = 5
    failures: int = 0

    def failed(self, lived_seconds: float) -> float | None:
        """Seconds until the next start (0 or 1, then 2, 4, … ), or None: give up."""
        if lived_seconds >= self.quick_seconds:
            self.failures = 0
        self.failures += 1
        if self.failures >= self.give_up_after:
            return None
        if self.failures == 1 and lived_seconds >= self.settled_seconds:
            return 0.0
        return min(self.first * 2.0 ** (self.failures - 1), self.longest)


@dataclass
class Replica:
    """A model worker. After `start`, call `poll` every second or so; it returns the state and never blocks.

    Paths are absolute. With a `script_folder`, `model_path` is an entry script in it, and the process works there;
    without, in the folder of its socket. `environment` is all that it gets.
    """

    python: Path
    model_path: Path
    socket_path: Path
    log_path: Path
    environment: Mapping[str, str]
    limits: Limits = field(default_factory=Limits)
    framework: str = "ScikitLearn"
    framework_version: str | None = None
    script_folder: Path | None = None
    modules: tuple[Path, ...] = ()  # folders with what the model's classes may be defined in
    confinement: Confinement = field(default_factory=Confinement)  # without one, limits.memory_bytes is an rlimit

    describe: dict[str, Any] | None = field(default=None, init=False)  # set when the replica becomes ready
    peak_memory_bytes: int | None = field(default=None, init=False)
    exit: ExitInfo | None = field(default=None, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _state: State = field(default=State.STARTING, init=False)
    _started: float = field(default=0.0, init=False)
    _kill_at: float | None = field(default=None, init=False)
    _probe: Probe | None = field(default=None, init=False)
    _last_answer: float = field(default=0.0, init=False)
    _weigh_at: float = field(default=0.0, init=False)
    _excess: str = field(default="", init=False)  # "1.2 GB of 1 GB"
    _complaint: str | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process. Raises OSError when its Python or its log cannot be opened."""
        self.socket_path.unlink(missing_ok=True)
        spec = {
            "modules": [str(folder) for folder in self.modules],
            "parent": os.getpid(),
            "memory_bytes": None if self.confinement.group else self.limits.memory_bytes,
            "cgroup": str(self.confinement.group.path) if self.confinement.group else None,
            "processors": self.confinement.processors,
            "open_files": self.limits.open_files,
            "file_bytes": self.limits.file_bytes,
            "max_body_bytes": self.limits.request_bytes,
            "framework_version": self.framework_version,
            "call_seconds": self.limits.call_seconds,
        }
        command = [str(self.python), "-I", "-u", str(WORKER), "--socket", str(self.socket_path)]
        command += ["--script" if self.script_folder else "--model", str(self.model_path)]
        command += ["--framework", self.framework, "--spec", json.dumps(spec)]
        self._started = time.monotonic()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                cwd=self.script_folder or self.socket_path.parent,
                start_new_session=True,
            )

    def poll(self) -> State:
        """Look after the process: notice its end, ask for its health, kill what overran its time. Never blocks."""
        if self._process is None or self._state is State.EXITED:
            return self._state
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            self._bury()
            return self._state
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_group()
        if now >= self._weigh_at:
            self._weigh_at = now + WEIGH_SECONDS
            self._weigh(self._process.pid)
        if self._state is not State.STOPPING:
            self._ask(now)
        self._shorten_log()
        return self._state

    def _weigh(self, pid: int) -> None:
        """End it when it has more memory than it may, or has lost one of its processes to that."""
        group = self.confinement.group
        if excess := self.confinement.excess(pid):
            self._excess = excess
        if excess or (group and group.oom_kills()):
            for process in processes.descendants(pid):  # those in sessions of their own, too
                processes.send(process, signal.SIGKILL)
            self._kill_group()

    def stop(self, drain_seconds: float = 10) -> None:
        """Ask the process to answer what it has and end; `poll` kills it after `drain_seconds`."""
        if self._process is None or self._state is State.EXITED:
            return
        self._state = State.STOPPING
        self._kill_at = time.monotonic() + drain_seconds
        self._close_probe()
        # Not Popen.terminate: it would reap a process that has just ended, and `poll` must see the end itself.
        os.kill(self._process.pid, signal.SIGTERM)

    def abort(self) -> None:
        """End a process that does not answer; its log says where all its threads were, if it can still be made to."""
        self.stop(ABORT_SECONDS)
        if self._process is not None and self._state is State.STOPPING:
            os.kill(self._process.pid, signal.SIGABRT)

    def tail_log(self, size: int = 16_384) -> str:
        """The last `size` bytes of the log as text."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - size))
                return log.read(size).decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        except FileNotFoundError:
            return ""

    def _shorten_log(self) -> None:
        """Keep the end of a long log. At the limit of its file a `print` would be an error, for good."""
        limit = self.limits.file_bytes
        try:
            if limit is None or self.log_path.stat().st_size < limit // 2:
                return
        except FileNotFoundError:  # the next process of the same service has begun its own
            return
        tail = self.tail_log(limit // 100)
        with self.log_path.open("ab") as log:  # the process appends, too: nothing of it is overwritten
            log.truncate(0)
            log.write(tail.encode("utf-8", "replace"))

    def _ask(self, now: float) -> None:
        method = "health" if self.describe else "describe"
        if self._probe is None:
            self._probe = Probe.begin(self.socket_path, method)
        answer = self._probe.answer() if self._probe else None
        if self._probe and self._probe.broken:
            self._close_probe()
        if answer is not None:
            self._close_probe()
            self._last_answer = now
            self._state = State.READY
            if method == "describe":
                self.describe = answer
            else:
                self.peak_memory_bytes = answer.get("peak_memory_bytes")
        elif self._state is State.STARTING and now - self._started > self.limits.start_seconds:
            self._complaint = f"it was not ready after {self.limits.start_seconds:g} s"
            self._kill_group()
        elif self._state is State.READY and now - self._last_answer > self.limits.health_seconds:
            self._state = State.UNRESPONSIVE

    def _close_probe(self) -> None:
        if self._probe:
            self._probe.close()
            self._probe = None

    def _kill_group(self) -> None:
        """End the process and what it started. Only before it is reaped: later the group may be someone else's."""
        assert self._process is not None
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _bury(self) -> None:
        assert self._process is not None
        self._kill_group()
        status = self._process.wait()
        self._close_probe()
        self.socket_path.unlink(missing_ok=True)
        expected = self._state is State.STOPPING
        code, by_signal = (status, None) if status >= 0 else (None, -status)
        tail = self.tail_log(2048)
        out_of_memory = not expected and (
            code == EXIT_OUT_OF_MEMORY
            or bool(self._excess)
            or bool(self.confinement.group and self.confinement.group.oom_kills())
            or (status != 0 and any(sign in line for line in tail.splitlines()[-5:] for sign in OUT_OF_MEMORY_SIGNS))
        )
        self.exit = ExitInfo(
            code=code,
            signal=by_signal,
            expected=expected,
            out_of_memory=out_of_memory,
            lived_seconds=time.monotonic() - self._started,
            reason=self._reason(expected, out_of_memory, code, by_signal, tail),
        )
        if self.confinement.group:
            self.confinement.group.remove()
        self._state = State.EXITED

    def _reason(self, expected: bool, out_of_memory: bool, code: int | None, by_signal: int | None, tail: str) -> str:
        if expected:
            return "stopped"
        if self._complaint:
            return self._complaint
        if self._excess:
            return f"out of memory ({self._excess})"
        if out_of_memory:
            limit = self.limits.memory_bytes
            return f"out of memory (its limit is {limit / 1e6:.0f} MB)" if limit else "out of memory"
        if by_signal == signal.SIGKILL:
            return "killed (by an administrator, or by the system when the whole machine has no memory left)"
        if by_signal is not None:
            return f"ended by signal {by_signal} ({signal.Signals(by_signal).name})"
        if code == EXIT_NOT_RETURNED:
            what = "entry script" if self.script_folder else "model"
            return (
                f"a call of the {what} did not return within {self.limits.call_seconds:g} s; the log says where it was"
            )
        last = tail.strip().splitlines()[-1:]
        return f"exit code {code}" + (f": {last[0]}" if last else "")
