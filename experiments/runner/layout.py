"""Names inside a run directory, and how a file gets there whole.

Imported by the runner, which has to start in milliseconds: nothing here (nor in any module that the runner loads) may
import typing, dataclasses, pathlib or subprocess.
"""

from __future__ import annotations

import os

SPEC = "spec.json"
WORK = "work"
OUTPUTS = "work/outputs"
WORK_LOGS = "work/logs"
STD_LOG = "logs/std_log.txt"
UPLOADS = "uploads"
METRICS = "metrics.jsonl"
HEARTBEAT = "heartbeat"
RUNNER = "runner.json"
LOCK = "runner.lock"
CANCEL = "cancel"
EXIT = "exit.json"

EXIT_RESERVE = ".exit.json.reserved"
FOLDERS = ("work", "work/outputs", "work/logs", "logs", "uploads", "home", "tmp")


def write_atomically(path: str, data: bytes) -> None:
    """Replace `path` (mode 0600) with `data`: a reader sees the old file or the whole new one."""
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        write_all(descriptor, data)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    os.replace(temporary, path)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; a short write (a disk that fills up) goes on until the real error shows."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
