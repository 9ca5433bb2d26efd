"""Processes as /proc shows them: who descends from whom, and signals that never hit a reused pid."""

from __future__ import annotations

import os
import signal
from collections import namedtuple

TYPE_CHECKING = False  # `typing` costs the runner six milliseconds
if TYPE_CHECKING:
    from typing import NamedTuple

    class Process(NamedTuple):
        """One row of the process table; `started` (clock ticks since boot) tells a pid from its reuse."""

        pid: int
        parent: int
        started: int
        state: str

else:
    Process = namedtuple("Process", "pid parent started state")


def read(pid: int) -> Process | None:
    """The process `pid`, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The command stands in parentheses and may itself contain some.
    fields = text[text.rfind(b")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[19]), fields[0].decode())


def table() -> list[Process]:
    """Every process that /proc shows; empty where there is no /proc."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return [process for name in names if name.isdigit() and (process := read(int(name)))]


def descendants(root: int) -> list[Process]:
    """Living processes below `root`, nearest first; zombies are passed through and left out."""
    children: dict[int, list[Process]] = {}
    for process in table():
        children.setdefault(process.parent, []).append(process)
    found = list(children.get(root, ()))
    for process in found:  # grows while it is read
        found.extend(children.get(process.pid, ()))
    return [process for process in found if process.state not in "ZX"]


def send(process: Process, signum: int) -> bool:
    """Signal exactly this process; False when it has gone (its pid may belong to another by now)."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        now = read(process.pid)
        if now is None or now.started != process.started:
            return False
        signal.pidfd_send_signal(descriptor, signum)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def reap() -> dict[int, int] | None:
    """Collect the children that ended: {pid: wait status}; None when there is no child left at all."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended or None
        if pid == 0:
            return ended
        ended[pid] = status
