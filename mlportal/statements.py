"""Plain SQL, for what clients do hundreds of times a second: Django writes each statement anew, which takes longer than the
database needs to execute it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

import orjson
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import BooleanField, DateTimeField, Field, Func, Model, QuerySet
from django.db.models.expressions import DatabaseDefault, RawSQL

if connection.vendor == "postgresql":
    from mlportal import postgresql

# Django's own Now(), without the building of a query. The percent signs are for a statement with parameters.
NOW: Final = "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')" if connection.vendor == "sqlite" else "STATEMENT_TIMESTAMP()"
KEYS: Final = "the keys"  # in a text that is not asked yet
Rows = list[tuple[Any, ...]]
Statement = tuple[str, Sequence[Any]]
MOST_PARAMETERS: Final = 900  # of one statement: SQLite may have been built to take no more


class Each(NamedTuple):
    """A statement that is executed for each of its rows, and gives none."""

    text: str
    rows: Sequence[Sequence[Any]]


def together(*statements: Statement | Each, last: bool = False) -> list[Rows]:
    """Execute them one after the other, in one message to a server: the rows of each, none where it gives none.

    Call it in a transaction. Each sees what those before it did, and what others had committed when it began. A value has the
    type of its place in SQL: a float is no bigint. `last`: nothing follows in the transaction, so that its end may go with
    them, unless it is a part of another; what fails after it has failed too late.
    """
    if connection.vendor == "postgresql":
        return _at_once(statements, last=last)
    with connection.cursor() as cursor:
        found: list[Rows] = []
        for statement in statements:
            if isinstance(statement, Each):
                cursor.executemany(*statement)
                found.append([])
            else:
                cursor.execute(*statement)
                found.append(cursor.fetchall() if cursor.description else [])
        return found


def _at_once(statements: Sequence[Statement | Each], *, last: bool) -> list[Rows]:
    message: list[Statement] = []
    ends: list[int] = []
    for statement in statements:
        if isinstance(statement, Each):
            message += [(statement.text, values) for values in statement.rows]
        else:
            message.append(statement)
        ends.append(len(message) - 1)
    rows = postgresql.ask(message, last=last)
    return [[] if isinstance(one, Each) else rows[end] for one, end in zip(statements, ends, strict=True)]


def insert(*groups: Sequence[Model], before: Sequence[Statement] = (), last: bool = False) -> None:
    """Store new rows, each group of one model, and give them their keys: `bulk_create`, with all groups in one message, behind
    the statements `before`; `last` as in `together`.

    A value may be a `RawSQL`: then the row gets what the database makes of it. A column that is left to the database is not
    known afterwards.
    """
    some = [part for group in groups for part in _parts(group)]
    insertions = [_insertion(part) for part in some]
    answers = together(*before, *(statement for statement, _ in insertions), last=last)[len(before) :]
    for rows, (_, made), keys in zip(some, insertions, answers, strict=True):
        for row, (key, *values) in zip(rows, keys, strict=True):
            row.pk = key
            row._state.adding, row._state.db = False, connection.alias
            for field, value in zip(made, values, strict=True):
                setattr(row, field.attname, moment_of(value) if isinstance(field, DateTimeField) else value)


def is_among(column: str, kind: str = "bigint") -> str:
    """Whether a column is one of many values, which are one parameter (`among`, `among_texts`): so the text is always the same.

    Thousands of parameters take longer than the query, and PostgreSQL would read the whole table to meet a list that it knows.
    """
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::{kind}[])"
    return f"{column} IN (SELECT value FROM json_each(%s))"


def among(keys: Iterable[int]) -> str:
    left, right = "{}" if connection.vendor == "postgresql" else "[]"
    return f"{left}{','.join(map(str, keys))}{right}"


def among_texts(texts: Iterable[str]) -> Any:
    return list(texts) if connection.vendor == "postgresql" else orjson.dumps(list(texts)).decode()


class Among(Func):
    """`is_among` of keys, for `filter`; without keys, for `text_of`."""

    output_field = BooleanField()
    template = is_among("%(expressions)s").replace("%s", "%%s")

    def __init__(self, column: Any, keys: Iterable[int] | None = None) -> None:
        super().__init__(column)
        self._keys = KEYS if keys is None else among(keys)

    def as_sql(self, *args: Any, **extra: Any) -> Any:
        text, parameters = super().as_sql(*args, **extra)
        return text, [*parameters, self._keys]


def text_of(rows: QuerySet[Any, Any]) -> str:
    """What Django would ask for these rows, which are filtered by one `Among`. Their values come as the database gives them,
    see `moment_of`."""
    text, parameters = rows.query.sql_with_params()
    assert tuple(parameters) == (KEYS,)
    return text


def moment_of(value: Any) -> datetime:
    """A time as the database gave it: SQLite has texts for it, and of columns times that do not say that they are UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _parts(rows: Sequence[Model]) -> list[Sequence[Model]]:
    if not rows:
        return []
    size = max(1, MOST_PARAMETERS // len(rows[0]._meta.local_concrete_fields))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _insertion(rows: Sequence[Model]) -> tuple[Statement, list[Field[Any, Any]]]:
    """The statement, and the fields whose values the database makes, which it gives behind the keys."""
    own = connections[DEFAULT_DB_ALIAS]  # `connection` looks it up anew for each attribute that is asked of it
    fields = [
        field for field in _fields(type(rows[0])) if not isinstance(field.value_from_object(rows[0]), DatabaseDefault)
    ]
    made: dict[Field[Any, Any], None] = {}
    places: list[str] = []
    values: list[Any] = []
    for row in rows:
        in_row: list[str] = []
        for field in fields:
            value = field.pre_save(row, add=True)
            if isinstance(value, RawSQL):
                in_row.append(value.sql)
                values += value.params
                made[field] = None
            else:
                in_row.append("%s")
                values.append(field.get_db_prep_save(value, own))
        places.append(f"({', '.join(in_row)})")
    quote, options = own.ops.quote_name, rows[0]._meta
    columns, back = (", ".join(quote(str(field.column)) for field in some) for some in (fields, [options.pk, *made]))
    text = f"INSERT INTO {quote(options.db_table)} ({columns}) VALUES {', '.join(places)} RETURNING {back}"
    return (text, values), list(made)


@cache
def _fields(model: type[Model]) -> list[Field[Any, Any]]:
    return [field for field in model._meta.local_concrete_fields if not field.primary_key]
