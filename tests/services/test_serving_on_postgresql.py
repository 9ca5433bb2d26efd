"""What a service keeps (rows, reports, replicas) is kept on PostgreSQL as on SQLite: one of the tests of each."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.portal import ROOT
from tests.services.servers import PostgreSQL

pytestmark = pytest.mark.services
HERE = "tests/models_registry"
TESTS = (
    f"{HERE}/test_sampling.py::test_only_the_newest_rows_stay",
    f"{HERE}/test_drift.py::test_a_feature_that_moved_is_flagged_and_the_others_are_not",
    f"{HERE}/test_replicas.py::test_a_service_of_two_replicas_outlives_the_kill_of_one",
)


def test_a_service_is_kept_and_watched_there(postgresql: PostgreSQL) -> None:
    variables = {**os.environ, "DATABASE_URL": postgresql.new_database("serving"), "PYTEST_ADDOPTS": ""}
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--nomigrations", "--durations=0"]  # tables at once, in 2 s
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *TESTS],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(TESTS)} passed" in done.stdout and "skipped" not in done.stdout
