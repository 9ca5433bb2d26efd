"""What holds two people apart on a database on which only locks do: SQLite lets one writer in at a time anyway."""

from __future__ import annotations

import pytest

from tests.services.elsewhere import run_on
from tests.services.servers import PostgreSQL

pytestmark = pytest.mark.services


def test_each_action_takes_its_locks_in_one_order(postgresql: PostgreSQL) -> None:
    printed = run_on(postgresql.new_database("locks"), "tests/races/lock_order.py")
    assert " passed" in printed and "skipped" not in printed
