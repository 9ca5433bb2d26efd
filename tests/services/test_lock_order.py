"""What holds two people apart on a database on which only locks do: SQLite lets one writer in at a time anyway."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.portal import ROOT
from tests.services.servers import PostgreSQL

pytestmark = pytest.mark.services


def test_each_action_takes_its_locks_in_one_order(postgresql: PostgreSQL) -> None:
    variables = {**os.environ, "DATABASE_URL": postgresql.new_database("locks"), "PYTEST_ADDOPTS": ""}
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--nomigrations", "--durations=0"]  # tables at once, in 2 s
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/races/lock_order.py"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout
