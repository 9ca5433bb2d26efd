"""A table of runs as a file: all rows that match, read some at a time, so that memory does not grow with their number. CSV leaves
as it is read; Parquet, whose table of contents is at its end, from a temporary file."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from arro3 import core
from arro3.io import write_parquet

from experiments.models import Run
from experiments.search import LABELS, Field, Found, Names, values_of
from experiments.search.best import column_of
from experiments.search.values import Numbers, Values
from mlportal.texts import guarded

AT_A_TIME: Final = 1000  # runs
PIECE: Final = 256 * 1024
ROW_GROUP: Final = 10_000  # runs, of which the columns are in memory until they are written
_RELATED: Final = (
    "experiment",
    "created_by",
    "parent",
    "compute_target",
    "environment_version__environment",
)
ALWAYS: Final = tuple(Field("attribute", name) for name in ("run_id", "experiment", "number", "run_name", "status"))
_NUMBERS: Final = ("duration",)
_MOMENTS: Final = ("created_at", "start_time", "end_time")
_VALUES: Final[dict[str, Callable[[Run], Any]]] = {
    "run_id": lambda run: run.uid,
    "experiment": lambda run: run.experiment.name,
    "number": lambda run: run.number,
    "run_name": lambda run: run.name,
    "status": lambda run: run.status,
    "user_id": lambda run: run.created_by.get_username() if run.created_by else None,
    "script": lambda run: run.script or None,
    "target": lambda run: run.compute_target.name if run.compute_target else None,
    "environment": lambda run: (
        f"{run.environment_version.environment.name}:{run.environment_version.version}"
        if run.environment_version
        else None
    ),
    "parent": lambda run: run.parent.uid if run.parent else None,
    "created_at": lambda run: run.created_at,
    "start_time": lambda run: run.started_at or run.created_at,
    "end_time": lambda run: run.ended_at,
    "duration": lambda run: (
        (run.ended_at - run.started_at).total_seconds() if run.ended_at and run.started_at else None
    ),
}


def columns_to_export(shown: Sequence[Field], names: Names) -> list[Field]:
    """What names a run, and the columns shown; the chips among them are all parameters and tags."""
    columns = dict.fromkeys(ALWAYS)
    for column in shown:
        if column == LABELS:
            columns |= dict.fromkeys(one for one in names.fields if one.kind != "metric")
        else:
            columns[column] = None
    return list(columns)


def csv_of(found: Found, columns: Sequence[Field]) -> Iterator[bytes]:
    """RFC 4180 in UTF-8. Moments are in ISO 8601, durations in seconds; what would be a formula has a ' before it."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([guarded(str(column)) for column in columns])
    for rows in _rows(found, columns):
        writer.writerows([_written(value) for value in row] for row in rows)
        yield buffer.getvalue().encode("utf-8", "replace")
        buffer.seek(0)
        buffer.truncate()
    if rest := buffer.getvalue():
        yield rest.encode("utf-8", "replace")


def parquet_of(found: Found, columns: Sequence[Field]) -> Iterator[bytes]:
    """Metrics and durations are doubles, moments are microseconds in UTC, everything else is text."""
    types = [_type(core.DataType, column) for column in columns]
    schema = core.Schema([core.Field(str(column), type_) for column, type_ in zip(columns, types, strict=True)])

    def batches() -> Iterator[Any]:
        for rows in _rows(found, columns):
            cells = list(zip(*rows, strict=True))
            arrays = [_array(list(cells[place]), type_) for place, type_ in enumerate(types)]
            yield core.RecordBatch.from_arrays(arrays, schema=schema)

    return _pieces(core.RecordBatchReader.from_batches(schema, batches()))


def _pieces(batches: Any) -> Iterator[bytes]:
    """The file of what the reader reads, from a file that nobody else sees."""
    with tempfile.TemporaryFile() as file:
        write_parquet(batches, file, compression="snappy", max_row_group_size=ROW_GROUP)
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def _rows(found: Found, columns: Sequence[Field]) -> Iterator[list[list[Any]]]:
    keys = found.keys()
    for start in range(0, len(keys), AT_A_TIME):
        some = keys[start : start + AT_A_TIME]
        runs = {run.pk: run for run in Run.objects.filter(pk__in=some).select_related(*_RELATED).order_by()}
        values = values_of(some, columns)
        yield [[_value(runs[key], column, values) for column in columns] for key in some if key in runs]


def _value(run: Run, column: Field, values: Values) -> Any:
    if column.kind == "attribute":
        return _VALUES[column.key](run)
    found = values.get((run.pk, column.kind, column.key))
    return getattr(found, column_of(column)) if isinstance(found, Numbers) else found


def _written(value: Any) -> Any:
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _type(types: Any, column: Field) -> Any:
    if column.kind == "metric" or column.key in _NUMBERS:
        return types.float64()
    if column.kind == "attribute" and column.key in _MOMENTS:
        return types.timestamp("us", tz="UTC")
    return types.int64() if column == Field("attribute", "number") else types.utf8()


def _array(cells: list[Any], type_: Any) -> Any:
    if core.DataType.is_timestamp(type_):
        moments = [None if cell is None else round(cell.timestamp() * 1_000_000) for cell in cells]
        return core.Array(moments, core.DataType.int64()).cast(type_)
    return core.Array(cells, type_)
