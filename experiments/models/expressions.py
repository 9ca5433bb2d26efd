"""Expressions that indexes are made of, so that what is asked by them is read from the index."""

from typing import Any

from django.db import connection
from django.db.models import Exists, FloatField, Func, TextField
from django.db.models.lookups import In


class Beginning(Func):
    """What an index keeps of a text: on SQLite all of it, elsewhere its first 200 characters, as entries have to be small."""

    function = "LEFT"
    template = "%(function)s(%(expressions)s, 200)"
    arity = 1
    output_field = TextField()
    CHARACTERS = 200

    @classmethod
    def cut(cls, text: str) -> str:
        """What the index has of it."""
        return text if connection.vendor == "sqlite" else text[: cls.CHARACTERS]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s", **context)


class Seconds(Func):
    """`Seconds(end, start)`: from the one moment to the other, to the millisecond; null when one of them is."""

    template = "EXTRACT(EPOCH FROM (%(expressions)s))"
    arg_joiner = " - "
    arity = 2
    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # Django's own difference is a function of Python, called for every row.
        template = "ROUND(86400.0 * (JULIANDAY(%(expressions)s)), 3)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=") - JULIANDAY(", **context)


class Unindexed(Func):
    """The same value, for which SQLite chooses no index: `+column`. For what is better looked up in a set than looked for."""

    template = "+%(expressions)s"
    arity = 1

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s", **context)


class EachExists(Exists):
    """The same, looked up for each row. PostgreSQL would join, and read a whole table for the sake of a few rows."""

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="EXISTS(%(subquery)s OFFSET 0)", **context)


class InGathered(In):
    """`IN (SELECT …)` for which PostgreSQL gathers all that there are, without a thought of how few are to be shown: it would
    look up one after the other, for it takes them to be everywhere in an order."""

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        text, parameters = self.as_sql(compiler, connection)
        return f"{text.removesuffix(')')} OFFSET 0)", parameters
