"""Statements for PostgreSQL as few messages as can be, each parsed and planned once for a connection.

A message costs more than most statements: the server has to wake up, and so has who asked it. BEGIN goes with the first
statements of a transaction, COMMIT with its last ones. Parsing and planning cost as much again, so what comes a second time
is prepared, by plain SQL in texts, for psycopg's own way of preparing sends a message for each statement. What is a transaction
by itself is executed by its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections
from psycopg.adapt import Transformer
from psycopg.errors import OperationalError, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus

if TYPE_CHECKING:
    from mlportal.statements import Rows, Statement

MOST_KNOWN: Final = 500  # texts of a connection, of each kind: lists of different lengths are different texts
RENEWED_AFTER: Final = (
    1000  # messages: plans are for tables as large as they were, and no vacuum may have come by since
)
_PLACE: Final = re.compile("%[s%]")
_names: Final = count(1)
_PLAIN: Final = frozenset({int, float, memoryview, str})
_DONE: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class Prepared:
    """What a connection has been asked: statements that came once, and the names of those that came again."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._calls: dict[str, str] = {}
        self._messages = 0

    def calls(self, texts: Sequence[str]) -> tuple[list[str], list[str]]:
        """What to send for statements: each as it is, or its execution; and what has to be prepared before."""
        before: list[str] = []
        self._messages += 1
        if self._messages % RENEWED_AFTER == 0:
            before += [f"DEALLOCATE {call.split()[1]}" for call in self._calls.values()]
            self._calls.clear()
        return [self._call(text, before) for text in texts], before

    def _call(self, text: str, before: list[str]) -> str:
        if call := self._calls.get(text):
            return call
        if text not in self._seen:
            if len(self._seen) == MOST_KNOWN:
                self._seen.clear()  # what comes often is soon there again
            self._seen.add(text)
            return text
        if len(self._calls) == MOST_KNOWN:
            return text
        name, places = f"mlportal_{next(_names)}", count(1)
        body = _PLACE.sub(lambda found: f"${next(places)}" if found[0] == "%s" else "%", text)
        before.append(f"PREPARE {name} AS {body}")
        arguments = ", ".join(["%s"] * (next(places) - 1))
        call = self._calls[text] = f"EXECUTE {name} ({arguments})" if arguments else f"EXECUTE {name}"
        return call


_prepared: WeakKeyDictionary[Any, Prepared] = WeakKeyDictionary()


def ask(statements: Sequence[Statement], *, last: bool = False) -> list[Rows]:
    """The rows of each, in one message; `last` as in `mlportal.statements.together`."""
    if not statements:
        return []
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    server = connection.connection
    texts = [text for text, _ in statements]
    if not connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        texts, before = _prepared.setdefault(server, Prepared()).calls(texts)
        if before:
            _prepare(connection, before)
    begins = not server.autocommit and server.info.transaction_status is TransactionStatus.IDLE
    ends = last and _is_whole(connection)
    message = [*(["BEGIN"] if begins else []), *texts, *(["COMMIT"] if ends else [])]
    try:
        if begins and ends and (name := _name_of(texts)) and _is_plain(statements[0][1]):
            return [_execute(connection, name, statements[0][1])]  # a transaction by itself, without a word
        if begins:
            server.autocommit = True  # else psycopg would begin it by a message of its own
        with connection.cursor() as cursor:
            cursor.execute(";\n".join(message), [value for _, values in statements for value in values])
            results = [result.fetchall() if result.pgresult.nfields else [] for result in cursor.cursor.results()]
    except BaseException as error:
        if isinstance(error, NotSupportedError):  # what is prepared gives other columns since a migration
            _prepared.pop(server, None)
        if begins and server.info.transaction_status is TransactionStatus.IDLE:
            server.autocommit = False  # it was not even sent
        raise
    if ends:
        server.autocommit = False  # should something follow after all, then it is a transaction of its own
    return results[begins : begins + len(statements)]


def _name_of(texts: Sequence[str]) -> str | None:
    """Under which the only one is prepared."""
    return texts[0].split()[1] if len(texts) == 1 and texts[0].startswith("EXECUTE ") else None


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether each is sent as the text that it has in Python, or as its bytes."""
    return _PLAIN.issuperset(map(type, values)) and not any(type(value) is str and "\0" in value for value in values)


def _execute(connection: Any, name: str, values: Sequence[Any]) -> Rows:
    """What is prepared under this name. psycopg's way to a text that the server parses again is half of a short call."""
    given = [bytes(value) if type(value) is memoryview else str(value).encode() for value in values]
    formats = [Format.BINARY if type(value) is memoryview else Format.TEXT for value in values]
    server = connection.connection
    with connection.wrap_database_errors:
        result = server.pgconn.exec_prepared(name.encode(), given, formats)
        # Of what was lost with the connection, the result says no more than that it failed.
        if server.pgconn.status != ConnStatus.OK:
            raise OperationalError(server.pgconn.get_error_message())
        if result.status not in _DONE:
            raise error_from_result(result)
        rows = Transformer(server)
        rows.set_pgresult(result)
        found: Rows = rows.load_rows(0, result.ntuples, tuple)
        return found


def _prepare(connection: Any, statements: Sequence[str]) -> None:
    """By themselves, for the server keeps the message with each."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(";\n".join(statements))
    except BaseException:
        _prepared.pop(connection.connection, None)  # nobody knows which of its names there are
        raise


def _is_whole(connection: Any) -> bool:
    """Whether the block of `atomic` that is open is the transaction, and not a part of it."""
    return connection.in_atomic_block and not connection.savepoint_ids and not connection.needs_rollback
