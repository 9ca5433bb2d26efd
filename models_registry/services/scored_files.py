"""A CSV with the answers of a service beside its rows: what is asked, piece by piece, and what is written."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO

import orjson

from mlportal.errors import BadInput
from mlportal.texts import guarded
from models_registry.services.schema import Field, Schema
from models_registry.tables.kinds import NAMES_OF_MISSING

ROWS: Final = 5000  # in one request
CHARACTERS: Final = 4_000_000
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
_PREDICT: Final = "prediction"
_PROBABILITIES: Final = ("predict_proba", "predict_log_proba")


@dataclass(frozen=True)
class Piece:
    """Rows of the file, from `first` on (the first row is 1), and the body that asks for their answers."""

    first: int
    rows: Sequence[Sequence[str]]
    body: bytes

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1


class ScoredFile:
    """Reads `lines` of CSV. `pieces` are to be asked for; `written` gives the file's lines for each that was answered.
    `first` is the number that errors call the first row by: a file may come in parts."""

    def __init__(self, lines: TextIO, schema: Schema, method: str, most_rows: int, first: int = 1) -> None:
        self.schema, self.method, self._first = schema, method, first
        self._at_once = max(1, min(ROWS, most_rows))
        self._characters = 0  # of the row that is being read
        self._reader = csv.reader(self._bounded(lines), strict=True)
        self.names = next(self._rows(), [])
        if not self.names:
            raise BadInput("The file is empty: a line of column names comes first, then a line a row.", field="file")
        self.places = places_of(self.names, schema)
        self._new: list[str] = []

    def pieces(self) -> Iterator[Piece]:
        first, size = self._first, 0
        rows: list[list[str]] = []
        for row in self._rows():
            if len(row) != len(self.names):
                raise BadInput(
                    f"Row {first + len(rows)} has {len(row)} cells, the line of names has {len(self.names)}.",
                    field="file",
                )
            rows.append(row)
            size += sum(map(len, row))
            if len(rows) >= self._at_once or size > CHARACTERS:
                yield Piece(first, rows, self._body(first, rows))
                first, rows, size = first + len(rows), [], 0
        if rows:
            yield Piece(first, rows, self._body(first, rows))
        elif first == self._first:
            raise BadInput("The file has no rows below its line of names.", field="file")

    def written(self, piece: Piece, answer: Any) -> bytes:
        """The rows of the piece with what the service answered. Raises BadInput when it has not answered row by row."""
        if not isinstance(answer, list) or len(answer) != len(piece.rows):
            raise BadInput(
                f"{self.method} gives no answer a row, so there is nothing to write beside the rows.", field="method"
            )
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        rows = [each if isinstance(each, list) else [each] for each in answer]
        if not self._new:
            self._new = self._titles(len(rows[0]))
            writer.writerow(map(guarded, [*self.names, *self._new]))
        width = len(self._new)
        for given, found in zip(piece.rows, rows, strict=True):
            if len(found) != width:
                raise BadInput(f"{self.method} answers with rows of different lengths.", field="method")
            writer.writerow([*map(guarded, given), *map(_cell, found)])
        return buffer.getvalue().encode("utf-8", "replace")

    def _titles(self, width: int) -> list[str]:
        classes = self.schema.classes or ()
        if width == 1:
            titles = [_PREDICT if self.method == "predict" else self.method]
        elif len(classes) == width:
            stem = "probability" if self.method in _PROBABILITIES else self.method
            titles = [f"{stem}_{each}" for each in classes]
        else:
            titles = [f"{self.method}_{place}" for place in range(1, width + 1)]
        taken = set(self.names)
        return [f"{title}_of_model" if title in taken else title for title in titles]

    def _bounded(self, lines: TextIO) -> Iterator[str]:
        """The lines; a row that would be a hundred million cells is refused before it is one."""
        while line := lines.readline(CHARACTERS + 1):
            self._characters += len(line)
            if self._characters > CHARACTERS:
                raise BadInput(f"A row of the file has more than {CHARACTERS:,} characters.", field="file")
            yield line

    def _rows(self) -> Iterator[list[str]]:
        try:
            for row in self._reader:
                self._characters = 0
                if row:
                    yield row
        except csv.Error as error:
            raise BadInput(f"Line {self._reader.line_num + 1} is no CSV: {error}.", field="file") from None
        except UnicodeDecodeError:
            raise BadInput("The file is no UTF-8: save it as “CSV UTF-8”.", field="file") from None

    def _body(self, first: int, rows: Sequence[Sequence[str]]) -> bytes:
        fields = self.schema.inputs or [Field(name, "") for name in self.names]
        is_known = self.schema.known_by in ("sample", "mlflow")
        columns = [
            _values(field, [row[place] for row in rows], first, is_known)
            for field, place in zip(fields, self.places, strict=True)
        ]
        data: Any = columns[0] if self.schema.is_text else [list(row) for row in zip(*columns, strict=True)]
        return orjson.dumps({"data": data, "method": self.method})


def places_of(names: Sequence[str], schema: Schema) -> list[int]:
    """Where in a row each input is: by name; else by place, where the model does not go by names and all are there."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if places.setdefault(name, place) != place:
            raise BadInput(f"Two columns of the file are called {name[:60]!r}.", field="file")
    wanted = [field.name for field in schema.inputs]
    if not wanted:
        return list(range(len(names)))
    missing = [name for name in wanted if name not in places]
    if not missing:
        return [places[name] for name in wanted]
    if not schema.is_named and schema.known_by == "model" and len(names) == len(wanted):
        return list(range(len(names)))
    if schema.known_by == "model" and not schema.is_named:
        raise BadInput(
            f"The file has {len(names)} columns, the model takes {len(wanted)} and does not know their names.",
            field="file",
        )
    listed = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
    some = "column is" if len(missing) == 1 else "columns are"
    raise BadInput(
        f"The {some} missing: {listed}. The file has {', '.join(names[:10])[:300]}.",
        field="file",
        missing=missing[:100],
    )


def _values(field: Field, cells: Sequence[str], first: int, is_known: bool) -> list[Any]:
    """The cells as the model takes them; a kind that is not known for sure is what all cells of the piece are."""
    if field.kind in ("text", "time") and is_known:
        return [cell or None for cell in cells]
    values: list[Any] = []
    for number, cell in enumerate(cells, first):
        text = cell.strip()
        if text in NAMES_OF_MISSING:
            values.append(None)
            continue
        value = _BOOLEANS.get(text.lower()) if field.kind == "boolean" else _number(text)
        if value is None:
            if not is_known:
                return [cell or None for cell in cells]
            kind = "neither true nor false" if field.kind == "boolean" else "no number"
            raise BadInput(f"Row {number}: {cell[:60]!r} in the column {field.name[:60]!r} is {kind}.", field="file")
        values.append(value)
    return values


def _number(text: str) -> float | None:
    if _INTEGER.fullmatch(text):
        return int(text)
    # An infinite one would reach the model as a missing one: JSON has no word for it.
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping | list):
        return guarded(orjson.dumps(value).decode())
    return guarded(value) if isinstance(value, str) else value
