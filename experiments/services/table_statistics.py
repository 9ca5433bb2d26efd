"""What the database knows of its tables, after many rows came at once."""

from __future__ import annotations

from typing import Final

from django.db import connection

from experiments.models import Metric, Parameter, Run, Tag

TABLES: Final = (Run, Metric, Parameter, Tag)  # those that tables of runs ask


def renew_table_statistics() -> None:
    """PostgreSQL plans by what it has counted in a table, and reads an index alone where it has vacuumed the rows: its
    autovacuum does both within a minute or two, and until then a page may take seconds. Nothing on SQLite.

    In a transaction, where nothing can be vacuumed, it counts.
    """
    if connection.vendor != "postgresql":
        return
    command = "ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)"
    names = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in TABLES)
    with connection.cursor() as cursor:
        cursor.execute(f"{command} {names}")
