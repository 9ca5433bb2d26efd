"""Sampled requests as files."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from mlportal.texts import guarded

PIECE = 1 << 20


def csv_of_samples(names: Sequence[str], table: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """RFC 4180 in UTF-8; what would be a formula has a ' before it."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([guarded(name) for name in names])
    for row in table:
        writer.writerow([_written(value) for value in row])
        if buffer.tell() > PIECE:
            yield buffer.getvalue().encode("utf-8", "replace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode("utf-8", "replace")


def parquet_of_samples(names: Sequence[str], table: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Columns of numbers are doubles, moments are microseconds in UTC, everything else is text."""
    from arro3 import core
    from arro3.io import write_parquet

    columns = list(zip(*table, strict=True)) or [() for _ in names]
    arrays = [_array(core, list(cells)) for cells in columns]
    fields = [core.Field(name, array.type) for name, array in zip(_distinct(names), arrays, strict=True)]
    batch = core.RecordBatch.from_arrays(arrays, schema=core.Schema(fields))
    with tempfile.TemporaryFile() as file:
        write_parquet(core.Table.from_batches([batch]), file, compression="snappy")
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def _array(core: Any, cells: list[Any]) -> Any:
    present = [cell for cell in cells if cell is not None]
    if present and all(isinstance(cell, datetime) for cell in present):
        moments = [None if cell is None else round(cell.timestamp() * 1_000_000) for cell in cells]
        return core.Array(moments, core.DataType.int64()).cast(core.DataType.timestamp("us", tz="UTC"))
    if present and all(isinstance(cell, (int, float)) for cell in present):
        return core.Array([None if cell is None else float(cell) for cell in cells], core.DataType.float64())
    return core.Array([None if cell is None else str(cell) for cell in cells], core.DataType.utf8())


def _distinct(names: Sequence[str]) -> list[str]:
    """A feature that is called `at` is kept beside ours."""
    seen: set[str] = set()
    found = []
    for name in names:
        while name in seen:
            name += "_"
        seen.add(name)
        found.append(name)
    return found


def _written(value: Any) -> Any:
    if isinstance(value, str):
        return guarded(value)
    return value.isoformat() if isinstance(value, datetime) else value
