"""A SQLite file of somebody else's: read, never written, and nothing is written beside it.

Statements are short, so that a server that goes on with the file is not kept from writing.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from mlportal.mlflow_port.items import PortError, Unreadable

Row = dict[str, Any]
BUSY_SECONDS: Final = 5
MAX_BYTES: Final = 32 << 20  # of a row; the longest that MLflow writes is the 16 MB of a dataset's profile
AT_ONCE: Final = 1000
_MAGIC: Final = b"SQLite format 3\0"
_WAL: Final = 2  # the 18th byte of a file with a write-ahead log


class TooLong(Unreadable):
    """A row of more than MAX_BYTES."""


class DatabaseFile:
    """PortError for a file that cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with ExitStack() as stack:  # a copy goes at once: what is open stays readable, and nobody has to tidy up
            self._db = self._opened(self._readable(path.resolve(), stack))
        self.columns: dict[str, set[str]] = {}

    def learn(self, tables: Sequence[str]) -> None:
        """Which of the tables there are, with which columns. PortError for what only looks like a table, and could run without end."""
        with self._told():
            rows = self._db.execute(
                "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view')"
            ).fetchall()
        for name, kind, sql in rows:
            if name not in tables:
                continue
            if kind != "table" or "VIRTUAL" in str(sql).upper().split("(")[0]:
                raise PortError(f"{self.path}: {name} is no plain table; MLflow did not make it.")
            with self._told():
                found = self._db.execute(f'PRAGMA table_info("{name}")').fetchall()
            self.columns[name] = {row[1] for row in found}

    def has_index(self, table: str, name: str) -> bool:
        sql = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND name = ?"
        with self._told():
            return bool(self._db.execute(sql, [table, name]).fetchall())

    def select(self, table: str, columns: Sequence[str], condition: str, *of: object, index: str = "") -> Iterator[Row]:
        """Row by row; a column that the table lacks is None, and a table that is not there is empty. TooLong."""
        known = self.columns.get(table)
        if not known:
            return
        shown = ", ".join(f'"{name}"' if name in known or name == "rowid" else f'NULL AS "{name}"' for name in columns)
        by = f"INDEXED BY {index}" if index else ""
        with self._told():
            cursor = self._db.execute(f"SELECT {shown} FROM {table} {by} WHERE {condition}", of)
            while some := cursor.fetchmany(AT_ONCE):
                for row in some:
                    yield dict(zip(columns, map(_value, row), strict=True))

    def _readable(self, path: Path, stack: ExitStack) -> Path:
        """The file, or a copy of one that SQLite would write beside: a log that nobody has open is taken up by its reader."""
        try:
            with path.open("rb") as file:
                head = file.read(100)
            if not head.startswith(_MAGIC):
                raise PortError(f"{self.path} is no SQLite database.")
            log, index = path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
            has_index = index.exists()
            if head[18] != _WAL or (has_index and log.exists()):
                return path
            folder = Path(tempfile.mkdtemp(dir=settings.FILE_UPLOAD_TEMP_DIR, prefix="mlflow-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            copy = folder / "copy.db"
            before = path.stat()
            shutil.copyfile(path, copy)
            if log.exists():
                shutil.copyfile(log, f"{copy}-wal")
            after = path.stat()
        except OSError as error:
            raise PortError(f"{self.path} cannot be read: {error.strerror or error}.") from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or index.exists() > has_index:
            raise PortError(f"{self.path} was written to while it was read; start again.")
        return copy

    def _opened(self, path: Path) -> sqlite3.Connection:
        with self._told():
            db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            weakref.finalize(self, db.close)
            db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
            db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            db.execute("PRAGMA trusted_schema = OFF")
            db.execute("PRAGMA cell_size_check = ON")
            db.execute("SELECT count(*) FROM sqlite_master").fetchall()
        return db

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_TOOBIG:
                raise TooLong(f"a row of it has more than {MAX_BYTES} bytes") from None
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise PortError(f"{self.path} is locked by another program; start again when that has ended.") from None
            if code == sqlite3.SQLITE_READONLY:
                raise PortError(
                    f"{self.path} has a journal of changes that were broken off; open it once with MLflow, which takes them"
                    " back, and start again."
                ) from None
            if code == sqlite3.SQLITE_NOTADB:
                raise PortError(f"{self.path} is no SQLite database.") from None
            raise PortError(f"{self.path} cannot be read: {error!s:.200}.") from None
        except UnicodeEncodeError:
            raise Unreadable("its name is not UTF-8") from None


def _value(value: Any) -> Any:
    """A BLOB in the place of a text is its bytes."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
