"""How PostgreSQL plans what is asked for tables of runs: told here for these questions alone, and by no setting of the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from django.db import connection, transaction

_SETTINGS: Final = {
    # By its default, made for turning disks, every row of runs is read, which takes twice as long as to read their index.
    "random_page_cost": "1.1",
    # To compile a query, as it does with many rows in view, takes longer than the query: 55 ms and 45 of one page's.
    "jit": "off",
    # For `NOT IN` a set that is expected not to fit, it reads the set for each row: by 4 MB from 130,000 runs on.
    "work_mem": "64MB",
    # Workers sort all that each has found and start anew for each query; one that keeps the first fifty takes a third of it.
    "max_parallel_workers_per_gather": "0",
}
_SETTING: Final = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _SETTINGS.items())

_is_planned: Final = ContextVar("is_planned", default=False)

# Of many runs, those that match are gathered, however many they may be: it knows of each way how long it takes until enough
# are there, and a look at one run after the other is the longest. SQLite knows only the ways that it is told.
KNOWS_BETTER: Final = connection.vendor == "postgresql"


@contextmanager
def planned() -> Iterator[None]:
    """What is asked inside is planned so; a transaction there, and nothing on SQLite."""
    if connection.vendor != "postgresql" or _is_planned.get():
        yield
        return
    before = _is_planned.set(True)
    try:
        with transaction.atomic(savepoint=False):
            with connection.cursor() as cursor:
                cursor.execute(_SETTING)
            yield
    finally:
        _is_planned.reset(before)
