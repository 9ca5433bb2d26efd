"""Resource limits that a script gets, and the size of what it writes."""

from __future__ import annotations

import os
import resource
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from experiments.runner.contract import Limits


def apply(limits: Limits) -> None:
    """Set the rlimits of this process, just before it becomes the script. OSError, ValueError: not possible."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_NOFILE, limits.get("open_files"))
    _set(resource.RLIMIT_FSIZE, limits.get("output_bytes"))
    _set(resource.RLIMIT_AS, limits.get("memory_bytes"))  # last: from here on this process may fail to allocate


def _set(which: int, value: int | None) -> None:
    if value is None:
        return
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY and os.geteuid() != 0:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def tree_size(path: str, *, seconds: float = 2.0) -> int:
    """Bytes in the regular files below `path`, following no symlink; stops counting after `seconds`."""
    total, folders, deadline = 0, [path], time.monotonic() + seconds
    while folders and time.monotonic() < deadline:
        folder = folders.pop()
        try:
            if os.path.islink(folder):
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # the script removes files while we count
    return total
