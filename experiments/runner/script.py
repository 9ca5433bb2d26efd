"""Turning a fork of the runner into the user's script: all that stands between fork and exec."""

from __future__ import annotations

import contextlib
import os
import signal

from experiments.runner import limits as resource_limits
from experiments.runner import linux
from experiments.runner.layout import WORK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from experiments.runner.contract import Spec

# When memory runs out the kernel is to pick the script, not the runner that has to tell of it.
_OOM_SCORE = b"500"


class StartFailed(Exception):
    """The script could not be started; the message says at which step and why."""


def start(spec: Spec, argv: list[str], run_dir: str, output: int) -> int:
    """Start `argv` as the script, both its outputs to the descriptor `output`; return its pid.

    The script leads a session of its own, has the environment of the spec and nothing else, no descriptor but 0, 1 and
    2, default signals, and is killed when this process dies. Raises StartFailed.
    """
    report_read, report_write = os.pipe()  # close-on-exec: an exec that works closes it without a word
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(spec, argv, run_dir, output, parent)
        except BaseException as error:  # nothing may unwind into the runner's own code in this process
            with contextlib.suppress(OSError):
                os.write(report_write, f"{type(error).__name__}: {error}"[:1000].encode(errors="replace"))
        finally:
            os._exit(127)
    os.close(report_write)
    with open(report_read, "rb") as report:
        problem = report.read().decode(errors="replace")
    if problem:
        os.waitpid(pid, 0)
        raise StartFailed(f"cannot start {argv[0]!r}: {problem}" if argv else "cannot start: no command given")
    return pid


def _become(spec: Spec, argv: list[str], run_dir: str, output: int, parent: int) -> None:
    # The guardian keeps 0, 1 and 2 open, so no source is a target; all other descriptors are close-on-exec.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.setsid()
    linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above took hold
        os._exit(127)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    linux.set_dumpable(True)  # or /proc/self belongs to root
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
        file.write(_OOM_SCORE)
    os.umask(0o077)
    os.chdir(os.path.join(run_dir, WORK))
    resource_limits.apply(spec["limits"])
    os.execvpe(argv[0], argv, spec["environment"])
