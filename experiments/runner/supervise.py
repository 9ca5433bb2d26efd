"""The inner process of a runner: owns the script, its log, its limits and its end.

One loop, woken by output, by signals and at least every `TICK` seconds. It never blocks on anything that the script
controls.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import select
import signal
import time

from experiments.runner import evidence, isolation, limits, linux, processes, script
from experiments.runner.exitfile import ExitFile
from experiments.runner.layout import CANCEL, HEARTBEAT, OUTPUTS, RUNNER, SPEC, STD_LOG, write_atomically
from experiments.runner.logpipe import LogPipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from experiments.runner.contract import Limits, Spec

TICK = 0.2
HEARTBEAT_EVERY = 1.0
OUTPUTS_EVERY = 3.0
DEFAULT_GRACE = 10.0
LEFTOVERS_TERM = 2.0  # what the script left behind has this long to end by itself
LEFTOVERS_GIVE_UP = 4.5  # a process in an uninterruptible wait cannot be ended by anybody
DRAIN = 0.3
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class Supervisor:
    """One script from start to exit.json. `guardian` is the pid of the outer process."""

    def __init__(self, run_dir: str, guardian: int, exit_file: ExitFile) -> None:
        self._run_dir = run_dir
        self._guardian = guardian
        self._exit_file = exit_file
        self._pid: int | None = None
        self._status: int | None = None  # as waitpid gives it
        self._reason = ""  # why this process ends the script; empty while nobody does
        self._message = ""
        self._kill_at = float("inf")
        self._terminated = False  # SIGTERM asked for by signal
        self._oom = evidence.OomKills()
        self._limits: Limits = {}

    def run(self) -> None:
        """Start the script, see it through, and write exit.json."""
        self._wake, wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

        self._started_at, self._started = time.time(), time.monotonic()
        self._ended_at, self._ended = self._started_at, self._started
        self._heartbeat_due = self._outputs_due = 0.0
        try:
            self._start()
        except OSError as error:
            self._end("disk_full" if error.errno in _DISK_FULL else "start_failed", f"{type(error).__name__}: {error}")
        except (script.StartFailed, ValueError, KeyError, TypeError) as error:
            kind = "" if isinstance(error, script.StartFailed) else f"{SPEC}: {type(error).__name__}: "
            self._end("start_failed", f"{kind}{error}")
        if self._pid is not None:
            self._follow()
            self._end_leftovers()
            self._drain()
            self._judge()
        self._write()

    def _start(self) -> None:
        spec = self._read_spec()
        self._limits = spec["limits"]
        self._log = LogPipe(os.path.join(self._run_dir, STD_LOG), self._limits.get("log_bytes"))
        heartbeat = os.path.join(self._run_dir, HEARTBEAT)
        os.close(os.open(heartbeat, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        self._write_runner(None)
        if os.path.lexists(os.path.join(self._run_dir, CANCEL)):
            self._end("canceled", "canceled before the script was started")
            return
        argv = isolation.select().wrap(spec["argv"], self._run_dir)
        self._started_at, self._started = time.time(), time.monotonic()
        self._pid = script.start(spec, argv, self._run_dir, self._log.write_end)
        self._log.close_write_end()
        self._write_runner(self._pid)
        self._outputs_due = self._started + OUTPUTS_EVERY

    def _read_spec(self) -> Spec:
        with open(os.path.join(self._run_dir, SPEC), encoding="utf-8") as file:
            spec: Spec = json.load(file)
        if not spec["argv"] or not all(isinstance(word, str) for word in spec["argv"]):
            raise ValueError("argv has to be a list of at least one string")
        spec["environment"].items()
        spec["limits"].items()
        return spec

    def _write_runner(self, script_pid: int | None) -> None:
        guardian = processes.read(self._guardian)
        record = {"pid": self._guardian, "start_time": guardian and guardian.started, "script_pid": script_pid}
        write_atomically(os.path.join(self._run_dir, RUNNER), json.dumps(record).encode())

    # While the script runs

    def _follow(self) -> None:
        while self._status is None:
            self._turn(TICK)
            now = time.monotonic()
            if self._abandoned():
                self._end("runner_killed", "the outer process of the runner was killed")
                self._kill_at = now
            self._check_requests(now)
            if now >= self._kill_at and self._status is None:
                self._signal_descendants(signal.SIGKILL)

    def _turn(self, timeout: float) -> bool:
        """Wait for output, a signal or the timeout; deal with each once. False when there is no child left."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._log.open:
            poll.register(self._log.read_end, select.POLLIN)
        poll.poll(timeout * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        self._log.pump()
        ended = processes.reap()
        if ended and self._pid in ended:
            self._status = ended[self._pid]
            self._ended_at, self._ended = time.time(), time.monotonic()
        now = time.monotonic()
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_EVERY
            with contextlib.suppress(OSError):
                os.utime(os.path.join(self._run_dir, HEARTBEAT))
        return ended is not None

    def _check_requests(self, now: float) -> None:
        if self._reason:
            return
        wall = self._limits.get("wall_seconds")
        if self._terminated or os.path.lexists(os.path.join(self._run_dir, CANCEL)):
            self._end("canceled", "canceled on request")
        elif wall is not None and now - self._started >= wall:
            self._end("wall_time", f"The limit was {wall:g} s.")
        elif (error := self._log.error) is not None:
            reason = "disk_full" if error.errno in _DISK_FULL else "log_failed"
            self._end(reason, f"the log could not be written: {error.strerror}")
        elif now >= self._outputs_due:
            self._check_outputs()
            # A large tree is counted less often: at most a twentieth of the time goes into it.
            self._outputs_due = now + max(OUTPUTS_EVERY, 20 * (time.monotonic() - now))

    def _check_outputs(self) -> None:
        limit = self._limits.get("output_bytes")
        if limit is not None and (size := limits.tree_size(os.path.join(self._run_dir, OUTPUTS))) > limit:
            self._end("output_limit", f"outputs/ holds {size} bytes; the limit is {limit}")

    # Ending it

    def _on_term(self, *_: object) -> None:
        self._terminated = True

    def _abandoned(self) -> bool:
        return os.getppid() != self._guardian

    def _end(self, reason: str, message: str) -> None:
        """Ask the script to end; the first reason stands."""
        if self._reason:
            return
        self._reason, self._message = reason, message
        self._kill_at = time.monotonic() + self._limits.get("grace_seconds", DEFAULT_GRACE)
        if self._pid is not None and self._status is None:
            # Its whole process group, as a shell in front of the real program does not pass signals on.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGTERM)

    def _signal_descendants(self, signum: int) -> int:
        return sum(processes.send(process, signum) for process in processes.descendants(os.getpid()))

    def _end_leftovers(self) -> None:
        """End what the script left behind; the log is read on meanwhile, or a full pipe would keep it alive."""
        start = time.monotonic()
        asked: set[tuple[int, int]] = set()
        while self._turn(0):
            late = time.monotonic() - start
            if late > LEFTOVERS_GIVE_UP:
                self._message = self._message or "some processes of the script could not be ended"
                return
            if late > LEFTOVERS_TERM or time.monotonic() >= self._kill_at or self._abandoned():
                self._signal_descendants(signal.SIGKILL)
            else:
                for process in processes.descendants(os.getpid()):
                    identity = process.pid, process.started
                    if identity not in asked and processes.send(process, signal.SIGTERM):
                        asked.add(identity)
            self._turn(0.02)

    def _drain(self) -> None:
        """Read what is still in the pipe, but never wait for a writer that should be gone."""
        deadline = time.monotonic() + DRAIN
        while self._log.pump() and time.monotonic() < deadline:
            pass

    # The record of it

    def _judge(self) -> None:
        assert self._status is not None
        if not self._reason:
            self._check_outputs()
        if not self._reason:
            self._reason = evidence.reason(
                *outcome(self._status), log_tail=self._log.tail, oom=self._oom, limits=self._limits
            )

    def _write(self) -> None:
        exit_code, signum = (None, None) if self._status is None else outcome(self._status)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._exit_file.write(
            {
                "exit_code": exit_code,
                "signal": signum,
                "reason": self._reason,
                "started": self._started_at,
                "ended": self._ended_at,
                "seconds": self._ended - self._started,
                "peak_memory_bytes": usage.ru_maxrss * 1024,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "log_cut_bytes": self._log.cut_bytes if self._pid is not None else 0,
                "message": self._message,
            }
        )


def outcome(status: int) -> tuple[int | None, int | None]:
    """(exit code, None) or (None, signal) of a wait status."""
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None


def supervise(run_dir: str, guardian: int, exit_file: ExitFile) -> None:
    """Be the inner process; returns when exit.json is written."""
    linux.die_with_parent(signal.SIGTERM)
    linux.adopt_orphans()
    Supervisor(run_dir, guardian, exit_file).run()
