"""What is written in plain SQL says the same to both databases."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.portal import ROOT
from tests.services.servers import PostgreSQL

pytestmark = pytest.mark.services
FILES = ("tests/test_statements.py", "tests/experiments/test_metrics_service.py")


def test_plain_sql(postgresql: PostgreSQL) -> None:
    variables = {**os.environ, "DATABASE_URL": postgresql.new_database("plain"), "PYTEST_ADDOPTS": ""}
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--nomigrations"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *FILES],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and " skipped" not in done.stdout
