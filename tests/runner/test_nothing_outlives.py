"""Whatever a script starts ends with it, and with its runner, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from experiments.runner import launch
from tests.runner.conftest import RealRun, is_running, wait_until

DAEMON = """
import os, signal, sys, time
def daemonise():
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if STUBBORN else signal.SIG_DFL)
    with open("pids", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(100)
"""


def daemon(stubborn: bool, then: str) -> str:
    wait = "\nwhile not os.path.exists('pids'): time.sleep(0.01)\nprint('ready')\n"
    return f"STUBBORN = {stubborn}\n{DAEMON}\ndaemonise(){wait}{then}"


@pytest.mark.parametrize(("stubborn", "within"), [(False, 2.0), (True, 5.0)])
def test_a_daemon_that_holds_the_log_open_ends_with_the_script(run: RealRun, stubborn: bool, within: float) -> None:
    run.start(daemon(stubborn, "print('main ends')"))
    (pid,) = run.pids_in("pids", 1)
    run.saw(b"main ends")
    seen = time.monotonic()
    end = run.finish(within + 1)
    assert time.monotonic() - seen < within
    assert not is_running(pid)
    assert end.succeeded and end.seconds < 2  # the time of the script, not of what it left


def test_what_leftovers_say_while_they_end_is_still_logged(run: RealRun) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = 'import signal, sys, time\\n'\\\n"
        "'signal.signal(signal.SIGTERM, lambda *_: (print(\"x\" * 3000000), sys.exit()))\\n'\\\n"
        '\'open("up", "w"); time.sleep(60)\'\n'
        "subprocess.Popen([sys.executable, '-S', '-c', child])\n"
        "import os\nwhile not os.path.exists('up'): time.sleep(0.01)"
    )
    assert run.start(code).finish().succeeded
    assert run.log == b"x" * 3_000_000 + b"\n"  # more than the pipe holds


def test_a_small_fork_bomb_is_ended(run: RealRun) -> None:
    code = """
import os, time
for _ in range(6):
    os.fork()                      # 64 processes
os.setsid() if os.getpid() != os.getsid(0) else None
with open("pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
while True:                        # that go on forking
    if os.fork() == 0:
        time.sleep(0.1)
        os._exit(0)
    time.sleep(0.05)
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
"""
    run.start(code, {"grace_seconds": 0.2})
    pids = run.pids_in("pids", 64)
    launch.request_cancel(run.dir)
    assert run.finish(8).reason == "canceled"
    assert not [pid for pid in pids if is_running(pid)]
    assert launch.kill_leftovers(run.dir) == []


def family(run: RealRun) -> list[int]:
    """A script with a stubborn daemon: the pids of both."""
    run.start(daemon(True, "time.sleep(100)"))
    run.saw(b"ready")
    return [run.script_pid, *run.pids_in("pids", 1)]


def test_killing_the_outer_process_ends_everything(run: RealRun) -> None:
    pids = [*family(run), run.inner_pid]
    os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, pids)), 5)
    assert run.finish().reason == "runner_killed"
    assert run.log == b"ready\n"


def test_killing_the_inner_process_ends_everything(run: RealRun) -> None:
    pids = family(run)
    os.kill(run.inner_pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, pids)), 5)
    end = run.finish()
    assert (end.reason, end.exit_code) == ("runner_killed", None)
    assert "signal 9" in end.message
    wait_until(lambda: not is_running(run.pid))


def test_killing_both_at_once_leaves_only_what_kill_leftovers_finds(run: RealRun) -> None:
    script, left = family(run)
    inner = run.inner_pid
    os.kill(run.pid, signal.SIGSTOP)  # so that neither can notice the other's death
    os.kill(inner, signal.SIGSTOP)
    os.kill(inner, signal.SIGKILL)
    os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, (script, inner, run.pid))), 5)
    assert is_running(left) and not launch.is_alive(run.dir)
    assert launch.read_exit(run.dir) is None
    assert launch.kill_leftovers(run.dir) == [left]
    wait_until(lambda: not is_running(left))
    assert run.log == b"ready\n"


def test_kill_leftovers_spares_a_living_run_and_other_runs(run: RealRun) -> None:
    script = family(run)[0]
    other = subprocess.Popen(
        [sys.executable, "-S", "-c", "import time; time.sleep(60)"],
        env={"MLPORTAL_RUN_DIR": str(run.dir) + "_other"},
    )
    try:
        assert launch.kill_leftovers(run.dir) == []
        assert launch.kill_leftovers(run.dir.with_name("never_started")) == []
        assert is_running(script) and other.poll() is None
    finally:
        other.kill()
        other.wait()
