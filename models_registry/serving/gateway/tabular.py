"""Rows as they came in a request → what the model worker takes, checked against what the model says of itself.

Numbers go straight into an array; which row or cell is at fault is looked for only when that did not work.
"""

from __future__ import annotations

import csv
import io
import math
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import numpy as np

from models_registry.serving.gateway.errors import BadInput, TooManyRows

Array = np.ndarray[Any, Any]
NUMBERS: Final = frozenset((float, int, bool, type(None)))
SIMPLE: Final = NUMBERS | {str}
LISTS: Final = {list}
NAMED = 10  # columns that a message names
NAME_CHARACTERS = 100


@dataclass(slots=True)
class Table:
    """Rows of a request (lists of cells, objects, one value a row, or an array), the columns' names, and how to call.

    `method` None is the model's first; `params` are further arguments of it.
    """

    rows: Any
    columns: Sequence[str] | None = None
    method: str | None = None
    params: Mapping[str, Any] | None = None


def from_records(records: Any) -> Table:
    """Objects, one a row → a table. Raises BadInput."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise BadInput("Either every row is an object or none is")
    return Table(records)


def from_columns(columns: Mapping[str, Any]) -> Table:
    """{column: list of its values} → a table. Raises BadInput."""
    lengths = {name: len(values) if isinstance(values, list) else None for name, values in columns.items()}
    if not columns or None in lengths.values() or len(set(lengths.values())) != 1:
        raise BadInput("Columns are lists of one length", lengths=dict(list(lengths.items())[:NAMED]))
    return Table(list(map(list, zip(*columns.values(), strict=True))), list(columns))


def from_rows(rows: Any, columns: Any = None) -> Table:
    """A list of lists (or of objects, or of values) → a table. Raises BadInput."""
    if not isinstance(rows, list):
        raise BadInput("Rows are a list of lists", got=type(rows).__name__)
    if columns is not None and not (isinstance(columns, list) and all(isinstance(name, str) for name in columns)):
        raise BadInput("Columns are a list of names")
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
    columns = [_cells(column) for column in zip(*rows, strict=True)]
    if all(isinstance(column, np.ndarray) for column in columns):
        return Table(np.stack(columns, axis=1), header)
    cells = (column.tolist() if isinstance(column, np.ndarray) else column for column in columns)
    texts = [[None if cell != cell else cell for cell in row] for row in zip(*cells, strict=True)]
    return Table(texts, header)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _cells(column: Sequence[str]) -> Any:
    """The cells of a CSV column: an array of numbers if all of them are, otherwise a list of texts."""
    try:
        return np.array([float(cell) if cell else math.nan for cell in column])
    except ValueError:
        return [cell or None for cell in column]


def payload_of(table: Table, describe: Mapping[str, Any], max_rows: int) -> tuple[Any, int]:
    """(what to send to the model worker, number of rows). Columns with names are put into the model's order.

    A missing value (null) is NaN among numbers. Raises BadInput that says what was expected, TooManyRows.
    """
    rows = table.rows
    count = len(rows)
    if not 0 < count <= max_rows:
        _refuse_count(count, describe, max_rows)
    # What goes back through a model has another width than what goes in.
    back = table.method == "inverse_transform"
    takes = "anything" if back else describe.get("takes") or "cells"
    if takes not in ("cells", "anything"):
        payload = _special(rows, takes, describe)
    else:
        columns = table.columns
        if type(rows) is list and type(rows[0]) is dict:
            rows, columns = _rows_of(rows, describe)
        payload = _payload(rows, columns, {} if back else describe, back)
    return (with_params(payload, table.params, table.method, describe) if table.params else payload), count


def with_params(payload: Any, params: Mapping[str, Any], method: str | None, describe: Mapping[str, Any]) -> Any:
    """The payload with further arguments of the method. Raises BadInput for those that it does not have."""
    name = method or describe.get("default_method") or "predict"
    known = (describe.get("params") or {}).get(name, [])
    unknown = [param for param in params if param not in known]
    if unknown:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise BadInput(f"{name} takes no parameter {unknown[0]}; {has}", expected={"params": known}, got=_few(unknown))
    if isinstance(payload, np.ndarray):
        return {"rows": payload.tolist(), "dtype": payload.dtype.str, "params": dict(params)}
    return {**payload, "params": dict(params)}


def _payload(rows: Any, columns: Sequence[str] | None, describe: Mapping[str, Any], back: bool) -> Any:
    array = rows if isinstance(rows, np.ndarray) else numbers_of(rows)
    if array is None:
        return _mixed(rows, columns, describe, back)
    if array.dtype.kind == "f" and type(rows) is not list and np.isinf(array).any():  # JSON has no infinite numbers
        raise BadInput("Infinite numbers are not taken")
    if array.ndim != 2:
        if back or (array.ndim == 1 and "n_features" not in describe):  # a model that is not known yet says so itself
            return array
        raise _no_rows(array.shape, describe)
    width: int = array.shape[1]
    if columns is None and width == describe.get("n_features"):
        return array
    order = _order(columns, width, describe)
    return array if order is None else array[:, order]


def numbers_of(rows: Sequence[Any]) -> Array | None:
    """Rows of numbers and nulls as an array of two dimensions, or None: they are something else."""
    first = rows[0]
    if type(first) is not list or not first:
        return None
    width = len(first)
    if type(first[0]) is float:  # all of them become doubles, if all are numbers: quickest as C has them
        try:
            if len(rows) == 1 or len(set(map(len, rows))) == 1:
                packed = struct.pack(f"{len(rows) * width}d", *chain.from_iterable(rows))
                return np.frombuffer(packed).reshape(len(rows), width)
        except (struct.error, TypeError):
            pass
    if set(map(type, rows)) != LISTS or len(set(map(len, rows))) != 1:
        return None
    flat = list(chain.from_iterable(rows))
    kinds = set(map(type, flat))
    if not kinds <= NUMBERS:
        return None
    else:  # whole numbers stay what they are; null is NaN
        array = np.array(flat, dtype=np.float64 if type(None) in kinds else None)
    return array.reshape(len(rows), width)


def _mixed(rows: Any, columns: Sequence[str] | None, describe: Mapping[str, Any], back: bool) -> Any:
    """Rows that have texts in them, as they are; every other fault is told here."""
    lists = [type(row) is list for row in rows]
    if not any(lists):
        kinds = set(map(type, rows))
        if back and kinds <= NUMBERS:
            return np.array(rows)
        if kinds == {str} and (back or describe.get("n_features") is None):
            return {"rows": rows}
        raise _no_rows((len(rows),), describe)
    width = len(rows[0]) if lists[0] else -1
    for number, row in enumerate(rows):
        if not lists[number] or len(row) != width:
            at = number if lists[0] else 0
            raise BadInput(f"Row {at} has another length than row {0 if at else 1}", expected=_expected(describe))
    if not set(map(type, chain.from_iterable(rows))) <= SIMPLE:
        place = next((n, k) for n, row in enumerate(rows) for k, cell in enumerate(row) if type(cell) not in SIMPLE)
        kind = "a list" if isinstance(rows[place[0]][place[1]], list) else "an object"
        raise BadInput(
            f"Row {place[0]} has {kind} in column {place[1]}: the rows are a list of lists, no cell is a list or an"
            " object; a cell is a number, a text or null",
            expected=_expected(describe),
        )
    order = _order(columns, width, describe)
    if order is None:
        return {"rows": rows}
    return {"rows": [[row[place] for place in order] for row in rows]}


def _special(rows: Any, takes: str, describe: Mapping[str, Any]) -> Any:
    """Rows of models that take no table: see `takes` in worker/description.py."""
    if isinstance(rows, np.ndarray):
        if takes == "images" and rows.ndim >= 3:
            return rows
        if takes == "values" and rows.ndim <= 2:
            return rows.reshape(-1) if rows.size == len(rows) else rows
        if takes == "texts" and rows.ndim == 1 and rows.dtype == object:
            return {"rows": rows.tolist()}
    else:
        kinds = set(map(type, rows))
        if takes in ("values", "texts") and kinds == {list} and all(len(row) == 1 for row in rows):  # a column
            rows = [row[0] for row in rows]
            kinds = set(map(type, rows))
        if takes == "texts" and kinds == {str}:
            return {"rows": rows}
        if takes == "values":
            if kinds <= NUMBERS - {type(None)}:
                return np.array(rows)
            if kinds <= SIMPLE:
                return {"rows": rows}
            if kinds == {list} and (array := numbers_of(rows)) is not None:  # several labels a row
                return array
        if (takes == "objects" and kinds == {dict}) or (takes == "lists" and kinds == {list}):
            return {"rows": rows}
        if takes == "images" and kinds == {list} and (array := _image(rows)) is not None:
            return array
    wanted = {
        "texts": "one text a row",
        "values": "one value a row",
        "objects": "one object a row",
        "lists": "one list a row, of any length",
        "images": "one image a row, as lists of lines of pixels",
    }[takes]
    raise BadInput(f"A {describe.get('class')} takes {wanted}", expected=_expected(describe))


def _image(rows: Any) -> Array | None:
    flat: Any = rows
    while flat and type(flat[0]) is list:
        if set(map(type, flat)) != {list}:
            return None
        flat = list(chain.from_iterable(flat))
    if not set(map(type, flat)) <= {int, float}:
        return None
    try:
        array = np.array(rows)
    except ValueError:
        return None
    return array if array.ndim >= 3 else None


def _rows_of(records: list[Any], describe: Mapping[str, Any]) -> tuple[list[Any], Sequence[str]]:
    """(rows, names of the columns) of objects: in the model's order where they have just its columns."""
    names = describe.get("feature_names")
    columns = list(names) if names and len(names) == len(records[0]) else list(records[0])
    try:
        if len(columns) > 1:
            pick = itemgetter(*columns)
            rows = [list(pick(record)) for record in records]
        else:
            rows = [[record[columns[0]]] for record in records]
        if set(map(len, records)) == {len(columns)}:
            return rows, columns
    except (KeyError, TypeError, IndexError):
        pass
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise BadInput("Either every row is an object or none is")
        if record.keys() != records[0].keys():
            expected, got = _few(list(records[0])), _few(list(record))
            raise BadInput(f"Row {number} has other columns than row 0", expected=expected, got=got)
    return [list(record.values()) for record in ({n: r[n] for n in records[0]} for r in records)], list(records[0])


def _order(columns: Sequence[str] | None, width: int, describe: Mapping[str, Any]) -> list[int] | None:
    """Where to find the model's columns among those of the request, or None if they are in place."""
    if columns is not None and len(columns) != width:
        raise BadInput(f"There are {len(columns)} columns and rows of {width} cells", expected=_expected(describe))
    names = describe.get("feature_names")
    if columns and names and (width == len(names) or len(set(columns) & set(names)) > 0):
        if columns == names:
            return None
        _check_names(columns, names, describe)
        places = {name: place for place, name in enumerate(columns)}
        return [places[name] for name in names]
    wanted = describe.get("n_features")
    if wanted is not None and width != wanted:
        raise BadInput(
            f"Each row has {width} value{'' if width == 1 else 's'}, the model takes {wanted}",
            expected=_expected(describe),
            got={"n_features": width, "feature_names": columns and _few(columns)},
        )
    return None


def _check_names(columns: Sequence[str], names: Sequence[str], describe: Mapping[str, Any]) -> None:
    there, wanted = set(columns), set(names)
    missing = [name for name in names if name not in there]
    unexpected = [name for name in columns if name not in wanted]
    twice = sorted(name for name, count in Counter(columns).items() if count > 1) if len(there) < len(columns) else []
    told = [
        f"{', '.join(_few(found))} {word}"
        for found, word in ((missing, "missing"), (unexpected, "not known to it"), (twice, "named twice"))
        if found
    ]
    if told:
        raise BadInput(
            f"The columns are not those of the model: {'; '.join(told)}",
            expected=_expected(describe),
            missing=missing,
            unexpected=_few(unexpected),
        )


def _few(names: Sequence[str]) -> list[str]:
    """Enough of what a caller named to find the fault: an error is no echo of what was sent."""
    return [name[:NAME_CHARACTERS] for name in names[:NAMED]]


def _no_rows(shape: Sequence[int], describe: Mapping[str, Any]) -> BadInput:
    got = {"shape": list(shape)}
    return BadInput("The rows are a list of lists, one list a row", expected=_expected(describe), got=got)


def _refuse_count(count: int, describe: Mapping[str, Any], max_rows: int) -> None:
    if count == 0:
        raise BadInput("There are no rows", expected=_expected(describe))
    raise TooManyRows(
        f"There are {count} rows, at most {max_rows} are taken in one request (MLPORTAL_SERVICE_ROWS)",
        limit=max_rows,
    )


def _expected(describe: Mapping[str, Any]) -> dict[str, Any]:
    return {key: describe.get(key) for key in ("n_features", "feature_names")}
