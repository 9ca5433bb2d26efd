"""The outer process of a runner: holds the lock, and outlives its inner process to tell of that one's end.

    guardian (outer)  lock, subreaper; if the inner process is killed: ends its orphans, writes exit.json
      └ supervisor (inner)  subreaper; SIGTERM when the guardian dies: ends everything below, writes exit.json
          └ the script  SIGKILL when the supervisor dies; a session of its own

Both are one program after a fork, so that killing any one of the two leaves the other to clean up. When both are killed
at the same moment the script itself still dies with them; what it had started is left to `launch.kill_leftovers`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import time

from experiments.runner import evidence, linux, processes
from experiments.runner.exitfile import ExitFile
from experiments.runner.layout import EXIT, LOCK, RUNNER
from experiments.runner.supervise import outcome, supervise

EXIT_REFUSED = 75  # EX_TEMPFAIL
_LOCK_TRIES, _LOCK_PAUSE = 10, 0.02
_ORPHANS_GIVE_UP = 4.0


def main(arguments: list[str]) -> int:
    """Own the run directory named by the last argument; the exit code of the process.

    With `--detach` the calling process returns as soon as the lock is held, after printing the guardian's pid.
    """
    detach, run_dir = arguments[:-1] == ["--detach"], os.path.realpath(arguments[-1])
    os.umask(0o077)
    if not _take(run_dir):
        return EXIT_REFUSED
    if detach:
        pid = os.fork()
        if pid:
            os.write(1, b"%d\n" % pid)
            os._exit(0)
        os.setsid()
    os.chdir("/")
    _detach_streams()
    guard(run_dir)
    os._exit(0)


def _take(run_dir: str) -> bool:
    """Lock the directory for as long as this process or its inner one lives; False when it is or was another's."""
    lock = os.open(os.path.join(run_dir, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    for attempt in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:  # a runner, or `launch.is_alive` looking for one at this very moment
            if attempt == _LOCK_TRIES - 1:
                return False
            time.sleep(_LOCK_PAUSE)
    # A directory is run once: a message delivered twice must not run the script twice.
    return not any(os.path.lexists(os.path.join(run_dir, name)) for name in (RUNNER, EXIT))


def _detach_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(null, null + (null > 2))


def guard(run_dir: str) -> None:
    """Fork the inner process, wait for it, and finish its work if it could not."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    linux.set_dumpable(False)
    linux.adopt_orphans()
    oom, started_at, started = evidence.OomKills(), time.time(), time.monotonic()
    exit_file = ExitFile(run_dir)
    # Both sides unblock it when their handlers stand: until then a SIGTERM waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    guardian = os.getpid()
    defect_read, defect_write = os.pipe()
    inner = os.fork()
    if inner == 0:
        code = 1
        try:
            supervise(run_dir, guardian, exit_file)
            code = 0
        except BaseException as error:  # the edge of the process: whatever it was, the guardian records it
            os.write(defect_write, f"{type(error).__name__}: {error}"[:1000].encode(errors="replace"))
        finally:
            os._exit(code)
    os.close(defect_write)

    def pass_on(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(inner, signal.SIGTERM)

    signal.signal(signal.SIGTERM, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    status = _wait_for(inner)
    if status == 0:
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_orphans()
    ended_at, ended = time.time(), time.monotonic()
    _, signum = outcome(status)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    killed = "out_of_memory" if signum == signal.SIGKILL and oom.happened() else "runner_killed"
    message = f"the inner process of the runner ended with signal {signum}"
    if signum is None:
        message = os.read(defect_read, 1000).decode(errors="replace")
    exit_file.write(
        {
            "exit_code": None,
            "signal": None,
            "reason": killed if signum else "runner_error",
            "started": started_at,
            "ended": ended_at,
            "seconds": ended - started,
            "peak_memory_bytes": usage.ru_maxrss * 1024,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "log_cut_bytes": 0,
            "message": message,
        }
    )


def _wait_for(inner: int) -> int:
    while True:
        pid, status = os.wait()  # orphans come here only when the inner process has gone
        if pid == inner:
            return status


def _end_orphans() -> None:
    deadline = time.monotonic() + _ORPHANS_GIVE_UP
    while processes.reap() is not None and time.monotonic() < deadline:
        for process in processes.descendants(os.getpid()):
            processes.send(process, signal.SIGKILL)
        time.sleep(0.01)
