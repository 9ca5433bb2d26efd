"""Reads a table from standard input and tells of it on standard output; a process of its own, with limits.

    python -I -c PROGRAM ROOT '{"rows": …, "columns": …, "cells": …, "bytes": …, "seconds": …, "memory": …}' < file

A line of JSON, {columns, rows, of_rows} or {refused}, then the kept rows as CSV. A reader that finds no line of JSON
knows that a limit has ended the process. Of more rows than are kept there is a fair choice (Vitter's algorithm R), in
the order of the file, and the same one each time.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final

from models_registry.tables.describing import describe
from models_registry.tables.kinds import kind_and_values, written

MARK: Final = b"PAR1"
BATCH: Final = 4096
LONGEST_NAME: Final = 250
LONGEST_TEXT: Final = 131_072  # csv's own limit
PANDAS_INDEX: Final = "__index_level_"


class Refused(Exception):
    pass


@dataclass(frozen=True)
class Limits:
    rows: int
    columns: int
    cells: int
    bytes: int
    seconds: int
    memory: int


class Kept:
    """Of all rows that pass by, a fair choice of `limit`."""

    def __init__(self, limit: int) -> None:
        self.seen = 0
        self._limit = limit
        self._random = random.Random(0)
        self._rows: list[tuple[int, Any]] = []

    def places(self, count: int) -> Iterator[tuple[int, int]]:
        """(which of the next `count` rows is kept, in whose place)."""
        for number in range(count):
            at = self.seen if self.seen < self._limit else self._random.randrange(self.seen + 1)
            if at < self._limit:
                yield number, at
            self.seen += 1

    def put(self, at: int, order: int, row: Any) -> None:
        if at == len(self._rows):
            self._rows.append((order, row))
        else:
            self._rows[at] = (order, row)

    def rows(self) -> list[Any]:
        return [row for _, row in sorted(self._rows, key=lambda pair: pair[0])]


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.bytes, limits.bytes))
    output = sys.stdout.buffer
    try:
        head, rows = read(sys.stdin.buffer, limits)
    except Refused as error:
        output.write(_line({"refused": str(error)}))
        return
    try:
        output.write(head + rows)
        output.flush()
    except OSError:
        output = open(1, "wb", closefd=False)  # noqa: SIM115  (the process ends here)
        output.seek(0)
        output.truncate()
        output.write(_line({"refused": f"The rows that are kept of it take more than {limits.bytes:,} bytes."}))
        output.flush()


def read(file: BinaryIO, limits: Limits) -> tuple[bytes, bytes]:
    """The line that tells of the table, and its kept rows as CSV."""
    is_parquet = file.read(len(MARK)) == MARK
    file.seek(0)
    names, columns, of_rows = (_parquet if is_parquet else _csv)(file, limits)
    told = [describe(name, kind, values) for name, (kind, values) in zip(names, columns, strict=True)]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    # A lone empty cell would be an empty line, which readers skip; csv quotes it.
    writer.writerows([written(value) for value in row] for row in zip(*(values for _, values in columns), strict=True))
    head = _line({"columns": told, "rows": len(columns[0][1]), "of_rows": of_rows})
    return head, text.getvalue().encode("utf-8", "replace")


Columns = list[tuple[str, list[Any]]]


def _csv(file: BinaryIO, limits: Limits) -> tuple[list[str], Columns, int]:
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    line = 0
    try:
        first = text.readline()
        lines = csv.reader(_again(first, text), delimiter=_delimiter(first), strict=True)
        names = next(lines, [])
        skip = 1 if len(names) > 1 and not names[0].strip() else 0  # pandas' index
        names = _checked(names[skip:], limits)
        width, kept = len(names), Kept(limits.rows)
        for row in lines:
            line = lines.line_num
            if not row:
                continue
            if len(row) - skip != width:
                raise Refused(
                    f"Line {line} has {len(row)} cells, the line of names has {width + skip}: they have to be as many."
                )
            if kept.seen * width > limits.cells:
                raise Refused(_too_much(limits))
            for _, at in kept.places(1):
                kept.put(at, kept.seen, row[skip:])
    except UnicodeDecodeError:
        raise Refused("It is no UTF-8: save it as “CSV UTF-8”, or as Parquet.") from None
    except csv.Error as error:
        raise Refused(f"Line {line + 1} is no CSV: {error}.") from None
    rows = kept.rows()
    if not rows:
        raise Refused("It has no rows: a line of column names comes first, then a line a row.")
    columns = [kind_and_values(cells) for cells in zip(*rows, strict=True)]
    for name, (kind, values) in zip(names, columns, strict=True):
        _refuse_infinite(name, kind, values)
    return names, columns, kept.seen


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(line: str) -> str:
    """A comma, unless the line of names has none, but semicolons or tabs."""
    return next((mark for mark in (",", ";", "\t") if mark in line), ",")


def _parquet(file: BinaryIO, limits: Limits) -> tuple[list[str], Columns, int]:
    from arro3.core import Array, DataType
    from arro3.io import read_parquet

    try:
        reader = read_parquet(file, batch_size=BATCH)
        schema = reader.schema
        wanted = [place for place, name in enumerate(schema.names) if not name.startswith(PANDAS_INDEX)]
        names = _checked([schema.names[place] for place in wanted], limits)
        kinds = [_kind(names[number], schema.field(place).type) for number, place in enumerate(wanted)]
        kept = Kept(limits.rows)
        for batch in reader:
            if kept.seen * max(1, len(names)) > limits.cells:
                raise Refused(_too_much(limits))
            start, chosen = kept.seen, list(kept.places(batch.num_rows))
            if not chosen:
                continue
            some = batch.take(Array([number for number, _ in chosen], DataType.int64()))
            cells = [_plain(some.column(place), kind) for place, kind in zip(wanted, kinds, strict=True)]
            for (number, at), row in zip(chosen, zip(*cells, strict=True), strict=True):
                kept.put(at, start + number, row)
    except (Refused, MemoryError):
        raise
    except BaseException as error:  # the reader is a library in Rust, which panics where a file is broken
        raise Refused("It begins as a Parquet file, and cannot be read as one.") from error
    rows = kept.rows()
    if not rows:
        raise Refused("It has no rows.")
    columns = [(kind, list(cells)) for kind, cells in zip(kinds, zip(*rows, strict=True), strict=True)]
    for name, (kind, values) in zip(names, columns, strict=True):
        _refuse_infinite(name, kind, values)
    return names, columns, kept.seen


def _kind(name: str, type_: Any) -> str:
    from arro3.core import DataType as Of

    if Of.is_dictionary(type_):
        type_ = type_.value_type
    if Of.is_boolean(type_):
        return "boolean"
    if Of.is_integer(type_):
        return "integer"
    if Of.is_floating(type_) or Of.is_decimal(type_):
        return "number"
    if Of.is_date(type_) or Of.is_timestamp(type_):
        return "time"
    if Of.is_string(type_) or Of.is_large_string(type_) or Of.is_string_view(type_):
        return "text"
    if Of.is_null(type_):
        return "number"
    raise Refused(
        f"The column {name[:60]!r} is of a kind that no sample has ({type_}): it has numbers, texts and times."
    )


def _plain(column: Any, kind: str) -> list[Any]:
    return [_value(cell, kind) for cell in column.to_pylist()]


def _value(cell: Any, kind: str) -> Any:
    if cell is None:
        return None
    if kind == "number":
        number = float(cell) if isinstance(cell, (int, float, Decimal)) else math.nan
        return None if math.isnan(number) else number
    if kind == "time":
        if isinstance(cell, datetime):
            return cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell.astimezone(UTC)
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC) if isinstance(cell, date) else None
    if kind == "integer":
        return int(cell)
    if kind == "boolean":
        return bool(cell)
    if len(cell) > LONGEST_TEXT:
        raise Refused(f"A text in it has more than {LONGEST_TEXT:,} characters.")
    return cell or None


def _checked(names: Sequence[str], limits: Limits) -> list[str]:
    if not names:
        raise Refused("It is empty: a line of column names comes first, then a line a row.")
    if len(names) > limits.columns:
        raise Refused(f"It has {len(names):,} columns, more than {limits.columns:,} (MLPORTAL_SAMPLE_COLUMNS).")
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        if not name.strip():
            raise Refused(f"Column {place} has no name.")
        if len(name) > LONGEST_NAME:
            raise Refused(f"The name of column {place} has over {LONGEST_NAME} characters.")
        if not name.isprintable():
            raise Refused(f"The name of column {place} has characters that cannot be seen.")
        if name in seen:
            raise Refused(f"Two columns are called {name[:60]!r}.")
        seen.add(name)
    if all(map(_is_number, names)) and list(names) != [str(place) for place in range(len(names))]:
        raise Refused("Its first line has numbers only: put a line of column names before the rows.")
    return list(names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_infinite(name: str, kind: str, values: Sequence[Any]) -> None:
    if kind in ("number", "integer") and any(value is not None and abs(value) > sys.float_info.max for value in values):
        raise Refused(f"The column {name[:60]!r} has a number that is infinite, or larger than a double holds.")


def _too_much(limits: Limits) -> str:
    return f"It has more than {limits.cells:,} cells (MLPORTAL_SAMPLE_CELLS): hand over some of its rows."


def _line(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, allow_nan=False).encode() + b"\n"


if __name__ == "__main__":
    main()
