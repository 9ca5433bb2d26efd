"""The script's output on its way to the log file."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.runner.logpipe import LogPipe, marker
from tests.runner.conftest import RealRun, wait_until


def test_two_hundred_megabytes_in_one_line_are_cut_in_bounded_memory(run: RealRun) -> None:
    limit = 1 << 20
    code = (
        "import os\nfor _ in range(200): os.write(1, b'x' * (1 << 20))\nos.write(1, b'end\\n')\nopen('went_on', 'w')\n"
    )
    code += "import time\nwhile not os.path.exists('measured'): time.sleep(0.01)"
    run.start(code, {"log_bytes": limit})
    wait_until(lambda: (run.dir / "work/went_on").exists())
    status = Path(f"/proc/{run.inner_pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    (run.dir / "work/measured").touch()
    end = run.finish()
    assert peak < 40_000  # kB
    assert end.succeeded and (run.dir / "work/went_on").exists()
    assert run.log == b"x" * limit + marker(limit)
    assert end.log_cut_bytes == (200 << 20) + 4 - limit


@pytest.mark.parametrize(("printed", "cut"), [(9, 0), (10, 0), (11, 1)])
def test_the_marker_appears_only_when_something_is_cut(run: RealRun, printed: int, cut: int) -> None:
    end = run.start(f"import os\nfor _ in range({printed}): os.write(1, b'x')", {"log_bytes": 10}).finish()
    assert run.log == b"x" * (printed - cut) + (marker(10) if cut else b"")
    assert end.log_cut_bytes == cut


def test_binary_and_nul_bytes_arrive_unchanged(run: RealRun) -> None:
    run.start("import os; os.write(1, bytes(range(256)) * 3); os.write(2, b'\\xff\\x00')").finish()
    assert run.log == bytes(range(256)) * 3 + b"\xff\x00"


def test_a_closed_output_does_not_end_the_run(run: RealRun) -> None:
    run.start("print('a', flush=True)\nimport os, time; os.close(1); os.close(2); time.sleep(0.4); open('done', 'w')")
    assert run.finish().succeeded
    assert run.log == b"a\n" and (run.dir / "work/done").exists()


def test_a_log_that_cannot_grow_is_reported_and_the_rest_counted() -> None:
    log = LogPipe("/dev/full", None)
    os.write(log.write_end, b"x" * 100)
    log.close_write_end()
    assert log.pump() and not log.pump()
    assert log.error is not None and log.error.errno == errno.ENOSPC
    assert (log.cut_bytes, log.tail, log.open) == (100, b"x" * 100, False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_ends_the_run_and_is_still_recorded(small_disk: Path) -> None:
    run = RealRun(small_disk / "run")
    try:
        end = run.start("import time\nwhile True: print('x' * 10000); time.sleep(0.001)").finish()
    finally:
        run.discard()
    assert end.reason == "disk_full" and "No space left" in end.message
    assert len(run.log) > 500_000
    assert end.log_cut_bytes > 0
