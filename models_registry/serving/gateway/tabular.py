"""Rows as they came in a request → what the model worker takes, checked against what the model says of itself."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from models_registry.serving.gateway.errors import BadInput, TooManyRows


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a request (lists of cells, one text a row, or an array of two dimensions), and the columns' names."""

    rows: Any
    columns: Sequence[str] | None = None


def from_records(records: Sequence[Any]) -> Table:
    """Objects with the same keys → a table. Raises BadInput."""
    if not all(isinstance(record, dict) for record in records):
        raise BadInput("Either every row is an object or none is")
    columns = list(records[0])
    for number, record in enumerate(records):
        if record.keys() != records[0].keys():
            raise BadInput(f"Row {number} has other columns than row 0", expected=columns, got=list(record))
    return Table([[record[name] for name in columns] for record in records], columns)


def from_columns(columns: Mapping[str, Any]) -> Table:
    """{column: list of its values} → a table. Raises BadInput."""
    lengths = {name: len(values) if isinstance(values, list) else None for name, values in columns.items()}
    if not columns or None in lengths.values() or len(set(lengths.values())) != 1:
        raise BadInput("Columns are lists of one length", lengths=lengths)
    return Table([list(row) for row in zip(*columns.values(), strict=True)], list(columns))


def from_rows(rows: Any, columns: Any = None) -> Table:
    """A list of lists (or of objects, or of texts) → a table. Raises BadInput."""
    if not isinstance(rows, list):
        raise BadInput("Rows are a list of lists", got=type(rows).__name__)
    if columns is not None and not (isinstance(columns, list) and all(isinstance(name, str) for name in columns)):
        raise BadInput("Columns are a list of names")
    if rows and columns is None and isinstance(rows[0], dict):
        return from_records(rows)
    return Table(rows, columns)


def from_csv(body: bytes) -> Table:
    """CSV with a line of names first → a table. An empty cell is a missing value. Raises BadInput."""
    try:
        lines = [line for line in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"The CSV cannot be read: {error}") from None
    if len(lines) < 2:
        raise BadInput("The CSV has a line of column names, then at least one row")
    header, *rows = lines
    if all(map(_is_number, header)) and header != [str(place) for place in range(len(header))]:  # pandas' own names
        raise BadInput("The first line of the CSV has numbers only: put a line of column names before the rows")
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise BadInput(f"Row {number} of the CSV has {len(row)} cells, the line of names has {len(header)}")
    return Table([list(row) for row in zip(*map(_cells, zip(*rows, strict=True)), strict=True)], header)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _cells(column: Sequence[str]) -> list[Any]:
    """The cells of a CSV column: numbers if all of them are, otherwise texts."""
    try:
        return [float(cell) if cell else None for cell in column]
    except ValueError:
        return [cell or None for cell in column]


def payload_of(table: Table, describe: Mapping[str, Any], max_rows: int) -> tuple[Any, int]:
    """(what to send to the model worker, number of rows). Columns with names are put into the model's order.

    A missing value (null) is NaN among numbers. Raises BadInput that says what was expected, TooManyRows.
    """
    expected = {key: describe.get(key) for key in ("n_features", "feature_names")}
    rows = table.rows
    if len(rows) == 0:
        raise BadInput("There are no rows", expected=expected)
    if len(rows) > max_rows:
        raise TooManyRows(
            f"There are {len(rows)} rows, at most {max_rows} are taken in one request (MLPORTAL_SERVICE_ROWS)",
            limit=max_rows,
        )
    array = rows if isinstance(rows, np.ndarray) else _array(rows, expected)
    if array.ndim != 2:
        texts = array.ndim == 1 and all(isinstance(row, str) for row in rows)
        if not texts or expected["n_features"] is not None:
            shape = list(array.shape)
            raise BadInput("The rows are a list of lists, one list a row", expected=expected, got={"shape": shape})
        return {"rows": rows}, len(rows)
    order = _order(table.columns, array.shape[1], expected)
    if array.dtype.kind in "biuf":
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise BadInput("Infinite numbers are not taken")
        return (array if order is None else array[:, order]), len(rows)
    numbers = _with_missing(rows)
    if numbers is not None:
        return (numbers if order is None else numbers[:, order]), len(rows)
    for number, row in enumerate(rows):
        for cell in row:
            if isinstance(cell, (dict, list)) or (isinstance(cell, float) and math.isinf(cell)):
                raise BadInput(f"Row {number} has a cell that is neither a finite number nor a text", expected=expected)
    return {"rows": rows if order is None else [[row[place] for place in order] for row in rows]}, len(rows)


def _array(rows: Any, expected: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    kinds = set(map(type, chain.from_iterable(row if isinstance(row, list) else (row,) for row in rows)))
    if list in kinds:
        raise BadInput("The rows are a list of lists, one list a row; no cell is a list", expected=expected)
    try:
        # Of texts numpy would make an array whose cells are all as wide as the longest: gigabytes, for one long text
        # beside many short ones. As objects they stay what they are.
        array = np.array(rows, dtype=object if str in kinds else None)
    except (ValueError, OverflowError):
        array = None
    if array is not None and (array.ndim == 2 or not any(isinstance(row, list) for row in rows)):
        return array
    for number, row in enumerate(rows):
        if not isinstance(row, list) or not isinstance(rows[0], list) or len(row) != len(rows[0]):
            raise BadInput(f"Row {number} has another length than row 0", expected=expected)
    raise BadInput("A cell of a row is a number, a text or null", expected=expected)


def _with_missing(rows: Any) -> np.ndarray[Any, Any] | None:
    """The rows as numbers with NaN for null, or None when some cell is neither."""
    if all(cell is None or isinstance(cell, (int, float)) for row in rows for cell in row):
        try:
            return np.array(rows, dtype=np.float64)
        except OverflowError:
            raise BadInput("A number is too large") from None
    return None


def _order(columns: Sequence[str] | None, width: int, expected: Mapping[str, Any]) -> list[int] | None:
    """Where to find the model's columns among those of the request, or None if they are in place."""
    if columns is not None and len(columns) != width:
        raise BadInput(f"There are {len(columns)} columns and rows of {width} cells", expected=expected)
    if expected["n_features"] is not None and width != expected["n_features"]:
        raise BadInput(
            f"Each row has {width} values, the model takes {expected['n_features']}",
            expected=expected,
            got={"n_features": width, "feature_names": columns},
        )
    names = expected["feature_names"]
    if not columns or not names or list(columns) == list(names):
        return None
    missing = [name for name in names if name not in columns]
    if missing:
        raise BadInput(
            f"The columns are not those of the model: {', '.join(missing[:10])} missing",
            expected=expected,
            missing=missing,
            unexpected=[name for name in columns if name not in names],
        )
    return [columns.index(name) for name in names]
