"""What a service keeps (rows, reports, replicas) is kept on PostgreSQL as on SQLite: one of the tests of each."""

from __future__ import annotations

import pytest

from tests.services.elsewhere import run_on
from tests.services.servers import PostgreSQL

pytestmark = pytest.mark.services
HERE = "tests/models_registry"
TESTS = (
    f"{HERE}/test_sampling.py::test_only_the_newest_rows_stay",
    f"{HERE}/test_drift.py::test_a_feature_that_moved_is_flagged_and_the_others_are_not",
    f"{HERE}/test_replicas.py::test_a_service_of_two_replicas_outlives_the_kill_of_one",
)


def test_a_service_is_kept_and_watched_there(postgresql: PostgreSQL) -> None:
    printed = run_on(postgresql.new_database("serving"), *TESTS)
    assert f"{len(TESTS)} passed" in printed and "skipped" not in printed
