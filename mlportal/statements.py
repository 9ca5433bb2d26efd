"""Plain SQL, for what clients do hundreds of times a second: Django writes each statement anew, which takes longer than the
database needs to execute it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.db import connection
from django.db.models import Field, Model, QuerySet
from django.db.models.expressions import DatabaseDefault, RawSQL

# Django's own Now(), without the building of a query. The percent signs are for a statement with parameters.
NOW: Final = "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')" if connection.vendor == "sqlite" else "STATEMENT_TIMESTAMP()"
Rows = list[tuple[Any, ...]]
Statement = tuple[str, Sequence[Any]]
MOST_PARAMETERS: Final = 900  # of one statement: SQLite may have been built to take no more


class Each(NamedTuple):
    """A statement that is executed for each of its rows, and gives none."""

    text: str
    rows: Sequence[Sequence[Any]]


def together(*statements: Statement | Each) -> list[Rows]:
    """Execute them one after the other, in one message to a server: the rows of each, none where it gives none.

    Call it in a transaction. Each sees what those before it did, and what others had committed when it began.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            return _at_once(cursor, statements)
        found: list[Rows] = []
        for statement in statements:
            if isinstance(statement, Each):
                cursor.executemany(*statement)
                found.append([])
            else:
                cursor.execute(*statement)
                found.append(cursor.fetchall() if cursor.description else [])
        return found


def _at_once(cursor: Any, statements: Sequence[Statement | Each]) -> list[Rows]:
    texts: list[str] = []
    parameters: list[Any] = []
    ends: list[int] = []
    for statement in statements:
        for values in statement.rows if isinstance(statement, Each) else [statement[1]]:
            texts.append(statement[0])
            parameters += values
        ends.append(len(texts))
    if not texts:
        return [[] for _ in statements]
    cursor.execute(";\n".join(texts), parameters)
    results: list[Rows] = [cursor.fetchall() if cursor.description else []]
    while cursor.nextset():
        results.append(cursor.fetchall() if cursor.description else [])
    return [
        [] if isinstance(statement, Each) else results[end - 1] for statement, end in zip(statements, ends, strict=True)
    ]


def insert(*groups: Sequence[Model]) -> None:
    """Store new rows, each group of one model, and give them their keys: `bulk_create`, with all groups in one message.

    A column whose value the database makes is left to it, and is not known afterwards.
    """
    some = [part for group in groups for part in _parts(group)]
    for rows, keys in zip(some, together(*map(_insertion, some)), strict=True):
        for row, (key,) in zip(rows, keys, strict=True):
            row.pk = key
            row._state.adding, row._state.db = False, connection.alias


def listed(keys: Iterable[int]) -> RawSQL:
    """Keys that came from the database, for `__in`: in the text, for thousands of parameters take longer than the query."""
    text = ",".join(map(str, keys))
    return RawSQL(f"SELECT unnest('{{{text}}}'::bigint[])" if connection.vendor == "postgresql" else text, [])


def statement_of(rows: QuerySet[Any, Any]) -> Statement:
    """What Django would ask for these rows. Their values come as the database gives them, see `moment_of`."""
    return rows.query.sql_with_params()


def moment_of(value: Any) -> datetime:
    """A time as the database gave it: SQLite has texts for it, and of columns times that do not say that they are UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _parts(rows: Sequence[Model]) -> list[Sequence[Model]]:
    if not rows:
        return []
    size = max(1, MOST_PARAMETERS // len(rows[0]._meta.local_concrete_fields))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _insertion(rows: Sequence[Model]) -> Statement:
    quote, options = connection.ops.quote_name, rows[0]._meta
    fields = [field for field in options.local_concrete_fields if _is_given(rows[0], field)]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    places = f"({', '.join(['%s'] * len(fields))})"
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for row in rows for field in fields]
    text = f"INSERT INTO {quote(options.db_table)} ({columns}) VALUES {', '.join([places] * len(rows))}"
    return f"{text} RETURNING {quote(str(options.pk.column))}", values


def _is_given(row: Model, field: Field[Any, Any]) -> bool:
    return not field.primary_key and not isinstance(row.__dict__.get(field.attname), DatabaseDefault)
