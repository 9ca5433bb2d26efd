"""The databases on which both are measured."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.services.servers import PostgreSQL

NAMES = ("sqlite", "postgresql")


class Store:
    """One kind of database; `url(name, folder)` is a new one of it."""

    def __init__(self, name: str, server: PostgreSQL | None) -> None:
        self.name, self._server = name, server

    def url(self, name: str, folder: Path) -> str:
        return self._server.new_database(name) if self._server else f"sqlite:///{folder}/{name}.db"


@contextmanager
def store(name: str) -> Iterator[Store]:
    if name == "sqlite":
        yield Store(name, None)
        return
    server = PostgreSQL()
    server.start()
    try:
        yield Store(name, server)
    finally:
        with suppress(Exception):
            server.stop()


def many(url: str, statements: Sequence[tuple[str, Sequence[Sequence[Any]]]]) -> None:
    """Execute each statement, with `?` for its values, for all of its rows; in one transaction."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60) as database:
            for text, rows in statements:
                database.executemany(text, rows)
        return
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for text, rows in statements:
            cursor.executemany(text.replace("?", "%s"), rows)


def analyze(url: str) -> None:
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60) as database:
            database.execute("ANALYZE")
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
