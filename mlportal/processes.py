"""The smallest supervisor that restarts what dies: the portal's processes on one machine.

Each is forked from one parent that has loaded Django already, so they start at once and share its memory. A child that
dies is started again, with growing pauses; a child whose parent dies (kill -9 included) is told by the kernel and ends.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

logger = logging.getLogger(__name__)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME = 1, 4, 15
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0  # who lived that long starts again without a pause
STOP = threading.Event()  # set in a process that was asked to end: what takes long gives back its work


@dataclass
class Process:
    """`run` is called in the child and returns when the child was asked to end."""

    name: str
    run: Callable[[], None]
    patience: float = 10.0  # seconds between SIGTERM and SIGKILL
    pid: int | None = None
    started: float = 0.0
    failures: int = 0
    start_at: float = field(default=0.0)


def harden() -> None:
    """Nobody else may read this process's memory and environment, a script of the same user included."""
    _prctl(PR_SET_DUMPABLE, 0)


def supervise(processes: list[Process]) -> None:
    """Start all and keep them alive until SIGINT or SIGTERM; then end them, the last started first. No orphan stays."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    gc.freeze()  # keeps the collector from touching, and so copying, the pages that the children share
    while not asked:
        for process in processes:
            if process.pid is None and time.monotonic() >= process.start_at:
                _start(process)
        _reap(processes)
        time.sleep(0.1)
    for process in reversed(processes):
        _end(process)


def _start(process: Process) -> None:
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    process.started = time.monotonic()
    pid = os.fork()
    if pid:
        process.pid = pid
        return
    status = 1
    try:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(0)
        os.setpgid(0, 0)  # Ctrl-C is for the parent, which ends its children in order
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _prctl(PR_SET_NAME, ctypes.c_char_p(f"mlp:{process.name}".encode()))
        process.run()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # the edge of the process: what is not caught here is seen by nobody
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _reap(processes: list[Process]) -> None:
    for process in processes:
        if process.pid is None or os.waitpid(process.pid, os.WNOHANG) == (0, 0):
            continue
        lived = time.monotonic() - process.started
        process.failures = 0 if lived > STEADY_SECONDS else process.failures + 1
        pause = min(LONGEST_PAUSE, 0.0 if process.failures <= 1 else 2.0**process.failures / 4)
        logger.error(
            "%s (pid %d) ended after %.0f s; it starts again in %.1f s.", process.name, process.pid, lived, pause
        )
        process.pid, process.start_at = None, time.monotonic() + pause


def _end(process: Process) -> None:
    if process.pid is None:
        return
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + process.patience
    while os.waitpid(process.pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            logger.warning("%s does not end; it is killed.", process.name)
            os.kill(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
            break
        time.sleep(0.02)
    process.pid = None


def _prctl(option: int, value: object) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
