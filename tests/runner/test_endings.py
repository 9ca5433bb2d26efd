"""How a run can end, and what exit.json says of it."""

from __future__ import annotations

import os
import signal
import stat
import time

import pytest

from experiments.runner import launch
from tests.runner.conftest import RealRun, wait_until

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready")
time.sleep(60)
"""


def test_a_script_that_ends_well_leaves_a_complete_record(run: RealRun) -> None:
    before = time.time()
    end = run.start("import sys; print('out'); print('err', file=sys.stderr)").finish()
    assert (end.exit_code, end.signal, end.reason, end.message, end.succeeded) == (0, None, "exited", "", True)
    assert run.log == b"out\nerr\n"
    assert before - 1 <= end.started <= end.ended <= time.time() + 1
    assert 0 < end.seconds < 10 and 0 < end.cpu_seconds < 10
    assert 1 << 20 < end.peak_memory_bytes < 1 << 28


def test_every_file_of_a_run_is_closed_to_others(run: RealRun) -> None:
    run.start("open('outputs/model', 'w').close()").finish()
    for path in (run.dir, *run.dir.rglob("*")):
        if path.name != "train.py":  # written by the test
            assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path


def test_the_exit_code_is_recorded(run: RealRun) -> None:
    end = run.start("raise SystemExit(3)").finish()
    assert (end.exit_code, end.signal, end.reason, end.succeeded) == (3, None, "exited", False)


def test_the_signal_that_ended_a_script_is_recorded(run: RealRun) -> None:
    end = run.start("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").finish()
    assert (end.exit_code, end.signal, end.reason) == (None, signal.SIGSEGV, "signaled")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["no-such-program", "x"], "cannot start 'no-such-program': FileNotFoundError"),
        (["/etc/passwd"], "PermissionError"),
        ([], "spec.json"),
    ],
)
def test_a_script_that_cannot_be_started_says_why(run: RealRun, argv: list[str], said: str) -> None:
    run.spec(argv)
    run.pid = launch.start(run.dir)
    end = run.finish()
    assert (end.exit_code, end.signal, end.reason) == (None, None, "start_failed")
    assert said in end.message


def test_cancel_ends_a_script_that_ignores_sigterm_after_the_grace(run: RealRun) -> None:
    run.start(STUBBORN, {"grace_seconds": 0.5})
    run.saw(b"ready")
    asked = time.monotonic()
    launch.request_cancel(run.dir)
    launch.request_cancel(run.dir)
    end = run.finish()
    assert (end.reason, end.signal) == ("canceled", signal.SIGKILL)
    assert 0.4 < time.monotonic() - asked < 3


def test_a_canceled_script_may_clean_up_and_exit(run: RealRun) -> None:
    run.start(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(0)))\n"
        "print('ready'); time.sleep(60)"
    )
    run.saw(b"ready")
    launch.request_cancel(run.dir)
    end = run.finish()
    assert (end.reason, end.exit_code) == ("canceled", 0)
    assert b"saved" in run.log


def test_sigterm_to_the_runner_is_a_cancel(run: RealRun) -> None:
    run.start("print('ready')\nimport time; time.sleep(60)")
    run.saw(b"ready")
    os.kill(run.pid, signal.SIGTERM)
    end = run.finish()
    assert (end.reason, end.signal) == ("canceled", signal.SIGTERM)


def test_sighup_changes_nothing(run: RealRun) -> None:
    run.start("print('ready')\nimport time; time.sleep(0.3)")
    run.saw(b"ready")
    os.kill(run.pid, signal.SIGHUP)
    os.kill(run.inner_pid, signal.SIGHUP)
    assert run.finish().succeeded


def test_a_run_canceled_before_its_start_never_starts(run: RealRun) -> None:
    launch.request_cancel(run.dir)
    end = run.start("open('touched', 'w')").finish()
    assert (end.reason, end.exit_code, end.signal) == ("canceled", None, None)
    assert not (run.dir / "work/touched").exists()


def test_the_wall_time_limit_ends_a_run(run: RealRun) -> None:
    end = run.start("import time; time.sleep(60)", {"wall_seconds": 0.5}).finish()
    assert (end.reason, end.signal) == ("wall_time", signal.SIGTERM)
    assert 0.5 <= end.seconds < 3
    assert "0.5 s" in end.message


def test_running_into_the_memory_limit_is_called_out_of_memory(run: RealRun) -> None:
    end = run.start("x = bytearray(1 << 30)", {"memory_bytes": 256 << 20}).finish()
    assert (end.reason, end.exit_code) == ("out_of_memory", 1)


def test_a_memory_error_that_was_survived_is_no_reason(run: RealRun) -> None:
    code = "try:\n bytearray(1 << 30)\nexcept MemoryError as error: print('MemoryError: caught')\nraise SystemExit(0)"
    assert run.start(code, {"memory_bytes": 256 << 20}).finish().succeeded


def test_one_file_over_the_output_limit_ends_the_run(run: RealRun) -> None:
    end = run.start("open('outputs/a', 'wb').write(bytes(3 << 20))", {"output_bytes": 1 << 20}).finish()
    assert (end.reason, end.exit_code) == ("output_limit", 1)


def test_many_files_over_the_output_limit_end_the_run_while_it_goes_on(run: RealRun) -> None:
    code = "for i in range(9): open(f'outputs/{i}', 'wb').write(bytes(1 << 18))\nimport time; time.sleep(60)"
    end = run.start(code, {"output_bytes": 1 << 20}).finish()
    assert (end.reason, end.signal) == ("output_limit", signal.SIGTERM)
    assert str(9 << 18) in end.message


def test_outputs_are_measured_once_more_at_the_end(run: RealRun) -> None:
    code = "for i in range(9): open(f'outputs/{i}', 'wb').write(bytes(1 << 18))"
    end = run.start(code, {"output_bytes": 1 << 20}).finish()
    assert (end.reason, end.exit_code) == ("output_limit", 0)


def test_a_script_that_fills_its_disk_is_told_apart(run: RealRun) -> None:
    end = run.start("f = open('/dev/full', 'w', 1)\nf.write('x\\n')").finish()
    assert (end.reason, end.exit_code) == ("disk_full", 1)


def test_resource_limits_reach_the_script(run: RealRun) -> None:
    code = "import resource as r; print([r.getrlimit(x)[0] for x in (r.RLIMIT_CORE, r.RLIMIT_NOFILE, r.RLIMIT_AS)])"
    run.start(code, {"open_files": 99, "memory_bytes": 1 << 30}).finish()
    assert run.log == b"[0, 99, %d]\n" % (1 << 30)


def test_the_heart_beats_while_the_script_sleeps(run: RealRun) -> None:
    run.start("print('ready')\nimport time; time.sleep(60)")
    run.saw(b"ready")
    heartbeat = run.dir / "heartbeat"
    first = heartbeat.stat().st_mtime_ns
    wait_until(lambda: heartbeat.stat().st_mtime_ns > first, 2.5)


def test_an_exit_record_counts_only_once_the_runner_has_gone(run: RealRun) -> None:
    forged = '{"exit_code": 0, "reason": "exited"}'
    run.start(f"open('../exit.json', 'w').write('{forged}')\nprint('ready')\nimport time; time.sleep(60)")
    run.saw(b"ready")
    assert (run.dir / "exit.json").exists() and launch.read_exit(run.dir) is None
    launch.request_cancel(run.dir)
    assert run.finish().reason == "canceled"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"exit_code": 0}', b"[" * 60_000])
def test_an_invalid_exit_record_is_no_record(run: RealRun, content: bytes) -> None:
    (run.dir / "exit.json").write_bytes(content)
    assert launch.read_exit(run.dir) is None
