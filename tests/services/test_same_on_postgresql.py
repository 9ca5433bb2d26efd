"""What is written in plain SQL, or planned in another way, says the same on both databases."""

from __future__ import annotations

import pytest

from tests.services.elsewhere import run_on
from tests.services.servers import PostgreSQL

pytestmark = pytest.mark.services
FILES = (
    "tests/test_statements.py",
    "tests/services/messages.py",
    "tests/services/table_statistics.py",
    "tests/experiments/test_metrics_service.py",
    "tests/experiments/test_next_point.py",
    "tests/experiments/test_whole_runs.py",
    "tests/races/test_points_at_once.py",
    "tests/experiments/test_runs_found.py",
)


def test_plain_sql(postgresql: PostgreSQL) -> None:
    printed = run_on(postgresql.new_database("plain"), *FILES)
    assert " passed" in printed and " skipped" not in printed
