"""The worker's side of a run directory: lay it out, start its runner, ask it to stop, read how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.runner import layout, processes
from experiments.runner.contract import Exit, Spec

_MAIN = Path(__file__).with_name("main.py")
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_REFUSED = 75
_START_SECONDS = 30
_EXIT_BYTES = 1 << 16
_LEFTOVERS_SECONDS = 2.0


class RunnerError(Exception):
    """A runner could not be started."""


class AlreadyRunning(RunnerError):
    """The directory has, or once had, a runner: it is run once."""


def prepare_directory(run_dir: Path) -> None:
    """Create the empty run directory (0700) and its folders. FileExistsError: it is there already."""
    run_dir.mkdir(mode=0o700, parents=True)
    for name in layout.FOLDERS:
        (run_dir / name).mkdir(mode=0o700)


def write_spec(run_dir: Path, spec: Spec) -> None:
    """Write spec.json (0600: its environment holds the run's token)."""
    layout.write_atomically(str(run_dir / layout.SPEC), json.dumps(spec).encode())


def start(run_dir: Path, *, python: str = sys.executable) -> int:
    """Start the runner of a prepared directory and return its pid, once it holds the directory's lock.

    The runner is nobody's child here: it outlives the caller and leaves no zombie. It gets none of the caller's
    environment and none of its descriptors. Raises AlreadyRunning, RunnerError.
    """
    try:
        done = subprocess.run(
            [python, "-I", "-S", str(_MAIN), "--detach", str(run_dir.absolute())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            timeout=_START_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunnerError(f"the runner of {run_dir.name} did not start: {error}") from error
    if done.returncode == _REFUSED:
        raise AlreadyRunning(f"{run_dir.name} has been given to a runner before")
    if done.returncode != 0 or not done.stdout.strip().isdigit():
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RunnerError(f"the runner of {run_dir.name} did not start: {reason}")
    return int(done.stdout)


def request_cancel(run_dir: Path) -> None:
    """Ask the runner to end the script; asking twice changes nothing."""
    (run_dir / layout.CANCEL).touch(mode=0o600)


def is_alive(run_dir: Path) -> bool:
    """Whether a process of the runner (either of its two) still owns the directory."""
    try:
        lock = os.open(run_dir / layout.LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def read_exit(run_dir: Path) -> Exit | None:
    """How the run ended; None while the runner lives (only its last word counts), or when it left no valid record."""
    if is_alive(run_dir):
        return None
    try:
        descriptor = os.open(run_dir / layout.EXIT, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        try:
            record = json.loads(file.read(_EXIT_BYTES))
        except (ValueError, RecursionError):
            return None
    return _checked(record)


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "exit_code": lambda value: value is None or _whole(value),
    "signal": lambda value: value is None or _whole(value),
    "reason": lambda value: isinstance(value, str),
    "started": lambda value: _finite(value),
    "ended": lambda value: _finite(value),
    "seconds": lambda value: _finite(value),
    "peak_memory_bytes": lambda value: _whole(value),
    "cpu_seconds": lambda value: _finite(value),
    "log_cut_bytes": lambda value: _whole(value),
    "message": lambda value: isinstance(value, str),
}


def _checked(record: Any) -> Exit | None:
    """The script runs under the same uid as the runner: what it may have forged has at least the right types."""
    if not isinstance(record, dict) or not all(name in record and fits(record[name]) for name, fits in _FIELDS.items()):
        return None
    return Exit(**{name: record[name] for name in _FIELDS})


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 1 << 63


def _finite(value: Any) -> bool:
    return _whole(value) or (type(value) is float and math.isfinite(value))


def kill_leftovers(run_dir: Path) -> list[int]:
    """End what a script left behind when both processes of its runner were killed; the pids of what was ended.

    They are known by MLPORTAL_RUN_DIR in the environment they were started with, where it can be read. A process that
    was given another environment is not found. Does nothing while the runner lives.
    """
    if is_alive(run_dir):
        return []
    marks = {f"MLPORTAL_RUN_DIR={path}".encode() for path in (run_dir, run_dir.absolute(), run_dir.resolve())}
    ended: set[int] = set()
    deadline = time.monotonic() + _LEFTOVERS_SECONDS
    while time.monotonic() < deadline:
        found = [process for process in processes.table() if process.state not in "ZX" and _carries(process.pid, marks)]
        if not found:
            break
        ended.update(process.pid for process in found if processes.send(process, signal.SIGKILL))
        time.sleep(0.01)
    return sorted(ended)


def _carries(pid: int, marks: set[bytes]) -> bool:
    with contextlib.suppress(OSError):
        folder = Path("/proc") / str(pid)
        if pid != os.getpid() and folder.stat().st_uid == os.geteuid():
            return not marks.isdisjoint((folder / "environ").read_bytes().split(b"\0"))
    return False
