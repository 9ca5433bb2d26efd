"""What stands in one message to PostgreSQL, and what is left when a part of it is refused.

`test_same_on_postgresql.py` runs this file on a server.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import psycopg
import pytest
from django.db import (
    DataError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.test.utils import CaptureQueriesContext
from psycopg.pq import TransactionStatus

from mlportal import postgresql
from mlportal.mlflow_api import asgi
from mlportal.statements import Each, Rows, Statement, together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    assert connection.vendor == "postgresql"
    connection.close()  # prepared statements are those of the connection
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE said (word text PRIMARY KEY, number int)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE said")


def say(word: str, *, last: bool = False) -> Rows:
    (rows,) = together(("INSERT INTO said VALUES (%s, %s) RETURNING word || ' 100%%'", [word, 1]), last=last)
    return rows


def words() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM said ORDER BY 1")
        return [word for (word,) in cursor.fetchall()]


def prepared() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements ORDER BY name")
        return [statement for (statement,) in cursor.fetchall()]


def test_what_comes_again_is_prepared() -> None:
    assert say("a") == [("a 100%",)]
    assert prepared() == []
    assert say("b; %s") == [("b; %s 100%",)]
    assert say("'c") == [("'c 100%",)]
    assert len(prepared()) == 1
    assert words() == ["'c", "a", "b; %s"]


def test_each_row_gets_its_turn() -> None:
    rows = [(f"w{number}", number) for number in range(5)]
    none, counted = together(Each("INSERT INTO said VALUES (%s, %s)", rows), ("SELECT count(*) FROM said", []))
    assert (none, counted) == ([], [(5,)])


def test_through_a_pooler_nothing_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    for word in "abc":
        say(word)
    assert prepared() == []
    assert words() == ["a", "b", "c"]


def test_a_transaction_is_one_message() -> None:
    say("a")
    say("b")
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        say("c", last=True)
    assert [query["sql"] for query in asked] == [
        "BEGIN",
        "COMMIT",
    ]  # as Django notes them; only what is prepared was sent
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        say("d")
        together(("SELECT 1", []), last=True)
    sent = [query["sql"] for query in asked if query["sql"] not in ("BEGIN", "COMMIT")]
    assert len(sent) == 2 and sent[0].startswith("BEGIN;\nEXECUTE") and sent[1].endswith("COMMIT")
    assert connection.connection.info.transaction_status is TransactionStatus.IDLE
    connection.close()
    assert words() == ["a", "b", "c", "d"]


TOLD: Statement = (
    "SELECT %s::bigint, %s::float8, %s::float8, %s::text, %s::bytea, 100 %% 7",
    [2**63 - 1, 0.1, float("-inf"), "é'\\ %s", memoryview(b"\0\xff")],
)


def alone(statement: Statement) -> Rows:
    with transaction.atomic():
        (rows,) = together(statement, last=True)
    return rows


def test_one_statement_alone_gives_what_it_gives_among_others() -> None:
    told = [alone(TOLD) for _ in range(3)]
    assert told[0] == told[1] == told[2] and told[0][0][:4] == (2**63 - 1, 0.1, float("-inf"), "é'\\ %s")
    assert [bytes(rows[0][4]) for rows in told] == [b"\0\xff"] * 3 and told[2][0][5] == 2


def test_one_statement_alone_that_is_refused_leaves_nothing_and_the_next_one_is_heard() -> None:
    insert = "INSERT INTO said VALUES (%s, %s) RETURNING number"
    for word in "abc":
        assert alone((insert, [word, 1])) == [(1,)]
    for word, error in (("a", IntegrityError), ("\0", DataError)):
        with pytest.raises(error):
            alone((insert, [word, 2]))
    with pytest.raises(DataError):
        alone((insert, ["d", 2**40]))
    assert alone((insert, ["e", 3])) == [(3,)]
    assert words() == ["a", "b", "c", "e"]


def test_a_refused_message_leaves_nothing_and_the_next_one_is_heard() -> None:
    for word in "ab":
        say(word)
    with pytest.raises(IntegrityError), transaction.atomic():
        together(("INSERT INTO said VALUES ('c', 1)", []), ("INSERT INTO said VALUES (%s, 2)", ["a"]), last=True)
    assert words() == ["a", "b"]
    for word in "cd":
        assert say(word)
    assert words() == ["a", "b", "c", "d"]


def test_what_was_prepared_with_a_message_that_was_refused_stays() -> None:
    again = ("SELECT %s::int", [1])
    together(again)
    with pytest.raises(IntegrityError):
        together(("INSERT INTO said VALUES ('a', 1)", []), ("INSERT INTO said VALUES ('a', 1)", []), again)
    assert [together(again)[0] for _ in range(3)] == [[(1,)]] * 3
    assert len(prepared()) == 2


def test_names_that_nobody_knows_are_not_used() -> None:
    again = ("SELECT %s::int", [1])
    wrong: Statement = ("SELECT nothing FROM nowhere", [])
    together(again)
    for _ in range(2):  # the second time it is prepared together with what is right
        with pytest.raises(ProgrammingError):
            together(again, wrong)
    assert [together(again)[0] for _ in range(3)] == [[(1,)]] * 3


def test_plans_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "RENEWED_AFTER", 5)
    names: set[str] = set()
    for number in range(20):
        assert together(("SELECT %s::int", [number])) == [[(number,)]]
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM pg_prepared_statements")
            there = [name for (name,) in cursor.fetchall()]
        assert len(there) <= 1
        names.update(there)
    assert len(names) > 2


def test_the_end_of_a_part_is_not_the_end_of_the_whole() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with transaction.atomic():
            say("a", last=True)
        raise ZeroDivisionError
    assert words() == []


def test_what_is_undone_was_never_there() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        say("a")
        say("b")
        raise ZeroDivisionError
    assert words() == []
    say("c")
    assert words() == ["c"]


def test_what_follows_the_last_message_is_a_transaction_of_its_own() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        say("a", last=True)
        say("b")
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO said VALUES ('c', 1)")
        raise ZeroDivisionError
    assert words() == ["a"]


def test_hooks_of_the_commit_are_called_after_it() -> None:
    found: list[list[str]] = []
    with transaction.atomic():
        transaction.on_commit(lambda: found.append(words()))
        say("a", last=True)
    assert found == [["a"]]


def test_a_connection_that_was_lost_is_forgotten() -> None:
    for word in "abc":
        say(word)
    connection.close()
    for word in "def":
        assert say(word)
    assert len(prepared()) == 1


def test_one_statement_alone_on_a_connection_that_was_lost_says_so() -> None:
    for word in "abc":
        alone(("INSERT INTO said VALUES (%s, 1) RETURNING word", [word]))
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)
    with pytest.raises(OperationalError):
        alone(("INSERT INTO said VALUES (%s, 1) RETURNING word", ["d"]))
    connection.close()
    assert words() == ["a", "b", "c"]


def test_a_message_that_cannot_be_sent_begins_nothing() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with pytest.raises(DataError, match="NUL"):
            say("\0")
        say("a")
        raise ZeroDivisionError
    assert words() == []


def test_what_comes_often_is_prepared_after_many_that_came_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "MOST_KNOWN", 20)
    for number in range(30):
        together((f"SELECT {number}", []))
    for _ in range(3):
        together(("SELECT 'often'", []))
    assert any("often" in text for text in prepared())


def test_so_many_texts_are_known_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "MOST_KNOWN", 20)
    for number in range(30):
        for _ in range(2):
            assert together((f"SELECT {number}", [])) == [[(number,)]]
    assert len(prepared()) == 20


def test_a_connection_that_was_closed_while_nobody_asked_is_replaced() -> None:
    """As by a server that is started again: clients of MLflow are not told."""
    assert asgi._run(words, writes=False) == []
    pid = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, password=connection.settings_dict["PASSWORD"]) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    asgi._local.worked_at -= 2 * asgi.IDLE_SECONDS
    assert asgi._run(words, writes=False) == []
    assert connection.connection.info.backend_pid != pid


def test_what_gives_other_columns_since_a_migration_is_prepared_anew() -> None:
    again: Statement = ("SELECT word FROM said", [])
    say("a")
    for _ in range(3):
        assert together(again) == [[("a",)]]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE said ALTER word TYPE varchar(9)")
    with pytest.raises(NotSupportedError):
        together(again)
    for _ in range(3):
        assert together(again) == [[("a",)]]
