"""The processes, as their commands start them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.portal import wait_until

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(os.geteuid() != 0, reason="says something to root alone")
def test_a_worker_tells_root_in_one_line_what_that_means(tmp_path: Path) -> None:
    variables = {**os.environ, "MLPORTAL_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=variables, check=True)
    log = tmp_path / "log"
    with log.open("w") as output:
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"], cwd=ROOT, env=variables, stdout=output, stderr=output
        )
    try:
        wait_until(lambda: " ready." in log.read_text() or worker.poll() is not None, what="the worker ready")
    finally:
        worker.terminate()
        worker.wait(30)
    said = log.read_text()
    assert said.count("The worker runs as root, and so do the scripts of all members.") == 1
    assert "superuser" not in said
