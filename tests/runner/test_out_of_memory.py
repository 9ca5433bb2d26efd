"""An out-of-memory kill, done for real in a memory cgroup of the test's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import experiments.runner
from experiments.runner import evidence
from experiments.runner.contract import Limits
from tests.runner.conftest import RealRun


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A memory cgroup (v1 or v2) limited to 96 MB."""
    rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    candidates = [
        (Path(f"/sys/fs/cgroup/memory{path}"), "memory.limit_in_bytes")
        for _, controllers, path in rows
        if "memory" in controllers.split(",")
    ] + [(Path(f"/sys/fs/cgroup{path}"), "memory.max") for _, controllers, path in rows if not controllers]
    for parent, limit in candidates:
        own = parent / f"test_{os.getpid()}"
        with contextlib.suppress(OSError):
            own.mkdir()
            try:
                (own / limit).write_text(str(96 << 20))
                yield own
                return
            finally:
                own.rmdir()
    pytest.skip("no memory cgroup can be made here")


def test_a_kill_by_the_kernel_for_memory_is_called_so(run: RealRun, cgroup: Path) -> None:
    (run.dir / "work/train.py").write_text("x = bytearray(1 << 29)")
    run.spec([sys.executable, "-S", "train.py"])
    main = Path(experiments.runner.__file__).with_name("main.py")
    command = f'echo $$ > "{cgroup}/cgroup.procs" && exec "$0" -I -S "{main}" "{run.dir}"'
    assert subprocess.run(["/bin/sh", "-c", command, sys.executable], timeout=30).returncode == 0
    end = run.finish()
    assert (end.reason, end.signal, end.exit_code) == ("out_of_memory", 9, None)


def test_a_plain_kill_is_not_called_out_of_memory(run: RealRun) -> None:
    end = run.start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").finish()
    assert (end.reason, end.signal) == ("signaled", 9)


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (b"Traceback ...\nnumpy.core._exceptions._ArrayMemoryError: Unable to allocate 7 GiB\n", "out_of_memory"),
        (b"MemoryError\n", "out_of_memory"),
        (b"MemoryError\n" + b"later\n" * 20, "exited"),
        (b"OSError: [Errno 28] No space left on device: 'x'\n", "disk_full"),
        (b"cp: error writing 'x': No space left on device\n", "disk_full"),
        (b"ValueError: no MemoryError here\n", "exited"),
    ],
)
def test_the_end_of_the_log_is_evidence(tail: bytes, expected: str) -> None:
    limits: Limits = {"memory_bytes": 1}
    assert evidence.reason(1, None, log_tail=tail, oom=evidence.OomKills(), limits=limits) == expected
    assert evidence.reason(0, None, log_tail=tail, oom=evidence.OomKills(), limits=limits) == "exited"
