"""Why a script that ended badly did so: the best guess from counters of the kernel and the end of the log.

Out of memory is told from a plain SIGKILL by the oom_kill counter of the runner's own memory cgroup (v2 or v1), or of
the whole machine where the cgroup cannot be read: there another process's end at the same time can mislead it.
"""

from __future__ import annotations

import re
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from experiments.runner.contract import Limits

# Only the last lines count: a script may print a MemoryError that it survived.
_LAST_LINES = 12
_MEMORY = re.compile(rb"^(?:[\w.]*MemoryError\b|terminate called after throwing an instance of 'std::bad_alloc')", re.M)
_DISK = re.compile(rb"^[\w.]*(?:OSError|IOError)\b.*\[Errno (?:28|122)\]|No space left on device\s*$", re.M)
_FILE_SIZE = re.compile(rb"^[\w.]*(?:OSError|IOError)\b.*\[Errno 27\]|File too large\s*$", re.M)


class OomKills:
    """The out-of-memory kills since this object was made, as far as this process may see them."""

    def __init__(self) -> None:
        self._path, self._before = _oom_counter()

    def happened(self) -> bool:
        """True when the kernel killed at least one process for memory since."""
        return bool(self._path) and _read_counter(self._path) > self._before


def _oom_counter() -> tuple[str, int]:
    for path in (*_cgroup_files(), "/proc/vmstat"):
        count = _read_counter(path)
        if count >= 0:
            return path, count
    return "", 0


def _cgroup_files() -> list[str]:
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as file:
            rows = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    files = []
    for _, controllers, path in rows:
        if controllers == "":
            files.append(f"/sys/fs/cgroup{path}/memory.events")
        elif "memory" in controllers.split(","):
            files.append(f"/sys/fs/cgroup/memory{path}/memory.oom_control")
    return files


def _read_counter(path: str) -> int:
    """The number behind `oom_kill`; -1 when the file or the line is not there."""
    try:
        with open(path, "rb") as file:
            found = re.search(rb"^oom_kill (\d+)$", file.read(), re.M)
    except OSError:
        return -1
    return int(found[1]) if found else -1


def reason(exit_code: int | None, signum: int | None, *, log_tail: bytes, oom: OomKills, limits: Limits) -> str:
    """The `reason` of a script that ended by itself, by an exit code or by a signal that the runner did not send."""
    last = b"\n".join(log_tail.splitlines()[-_LAST_LINES:])
    if signum == signal.SIGKILL and oom.happened():
        return "out_of_memory"
    if limits.get("memory_bytes") is not None and (exit_code or signum) and _MEMORY.search(last):
        return "out_of_memory"
    if signum == signal.SIGXFSZ or (limits.get("output_bytes") is not None and exit_code and _FILE_SIZE.search(last)):
        return "output_limit"
    if exit_code and _DISK.search(last):
        return "disk_full"
    return "exited" if signum is None else "signaled"
