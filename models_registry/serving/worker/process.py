"""A model worker as a process: what it may use, what it says, and whom it does not outlive. Python 3.6, standard library only."""

import ctypes
import errno
import os
import resource
import signal
import sys
import time
from typing import Any, Dict, Optional

PR_SET_PDEATHSIG = 1

log_file = 2


def keep_log() -> None:
    """Write to a copy of standard error from here on: scripts may close their own."""
    global log_file
    log_file = os.dup(2)


def log(text: str) -> None:
    """One line of the replica's log."""
    line = "%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text)
    try:
        os.write(log_file, line.encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # the log has reached its limit: serving goes on


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tie_to_parent(parent: int) -> None:
    """Make the kernel end this process when `parent` (or the thread of it that started us) ends."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")


def limit(spec: Dict[str, Any]) -> None:
    if spec.get("cgroup"):
        with open(os.path.join(spec["cgroup"], "cgroup.procs"), "w") as file:
            file.write("0")  # this process, and from here on all that it starts
    if spec.get("processors"):
        os.sched_setaffinity(0, spec["processors"])
    for name, key in (
        # Private memory that can be written. RLIMIT_AS would also count address space that libraries only reserve.
        ("memory_bytes", resource.RLIMIT_DATA),
        ("open_files", resource.RLIMIT_NOFILE),
        ("file_bytes", resource.RLIMIT_FSIZE),
    ):
        if spec.get(name):
            resource.setrlimit(key, (spec[name], spec[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_out_of_memory(error: Optional[BaseException]) -> bool:
    """Whether the limit is behind it: libraries tell of an allocation that failed in words of their own."""
    while error is not None:
        no_thread = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
        if isinstance(error, MemoryError) or no_thread or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        error = error.__cause__ or error.__context__
    return False
