"""Run on PostgreSQL alone, by `test_same_on_postgresql.py`: what it knows of its tables, and how it is told to plan."""

from __future__ import annotations

import pytest
from django.db import connection

from experiments.search.planned import planned
from experiments.services.table_statistics import renew_table_statistics
from tests.conftest import MakeRun


def asked(text: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return str(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_after_an_import_rows_are_counted_and_vacuumed(make_run: MakeRun) -> None:
    make_run()
    pages = "SELECT {} FROM pg_class WHERE oid = 'experiments_run'::regclass"
    renew_table_statistics()
    assert asked(pages.format("reltuples::int")) == "1"
    assert asked(pages.format("relallvisible = relpages AND relpages > 0")) == "True"


@pytest.mark.django_db
def test_in_a_transaction_rows_are_counted(make_run: MakeRun) -> None:
    make_run()
    make_run()
    renew_table_statistics()
    assert asked("SELECT reltuples::int FROM pg_class WHERE oid = 'experiments_run'::regclass") == "2"


@pytest.mark.django_db(transaction=True)
def test_a_plan_is_told_for_what_is_asked_inside_alone() -> None:
    before = asked("SHOW random_page_cost")
    with planned():
        assert (asked("SHOW random_page_cost"), asked("SHOW jit")) == ("1.1", "off")
    assert asked("SHOW random_page_cost") == before == "4"


@pytest.mark.django_db
def test_tables_are_vacuumed_sooner() -> None:
    for table in ("run", "metric", "parameter", "tag"):
        said = asked(f"SELECT reloptions FROM pg_class WHERE oid = 'experiments_{table}'::regclass")
        assert "autovacuum_vacuum_insert_scale_factor=0.05" in said
