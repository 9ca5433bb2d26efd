"""Reads the lines of ``metrics.jsonl``, which a script writes and nobody has checked."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from experiments.snapshots.names import clean_name
from experiments.snapshots.refusals import NameRefused

from .checks import END_OF_TIME, INT64, Record, Skip, bounded, is_unicode, number_of, storable, storable_number, time_of
from .logged import Kind, Logged, flag, token_value
from .series import Series

_MAX_PROBLEMS: Final = 50
_SHOWN_NAME: Final = 60
TOO_MANY_NAMES: Final = (
    "The run has as many names of metrics as it may have (MLPORTAL_METRIC_NAMES): points of further names are left out"
)
_BLOBS: Final = (Kind.CONFUSION_MATRIX, Kind.ACCURACY_TABLE, Kind.PREDICTIONS, Kind.RESIDUALS)


class NoRoom(Skip):
    """The line is well, but there are too many of its kind."""


@dataclass(frozen=True)
class Limits:
    """What one line may hold: lengths in characters, ``cells`` of a list, row or table, ``depth`` of nested objects."""

    name_length: int = 250
    value_length: int = 6000
    """of a parameter, tag or property"""
    text_length: int = 65_536
    """of a logged string, a description or the message of a failure"""
    cells: int = 100_000
    object_length: int = 4_000_000
    """of an object, written as JSON"""
    depth: int = 20
    new_names: int | None = None
    """of scalars that are not in ``counts``; None: as many as there are"""


@dataclass(frozen=True)
class Ending:
    """The script called ``run.complete()`` or ``run.fail(message, code)``."""

    failed: bool
    message: str | None = None
    code: str | None = None


@dataclass
class Batch:
    """What a stretch of lines says. ``problems`` tells what was skipped, ``skipped`` how many lines that were;
    ``reasons`` are the problems without their numbers.

    ``tags`` are to be set after ``untags`` were removed. Of a parameter or property that comes twice the first stays.
    ``files`` are artifact names that were checked by ``clean_name``.
    """

    scalars: dict[str, Series] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    logged: list[Logged] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str | None] = field(default_factory=dict)
    untags: set[str] = field(default_factory=set)
    properties: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    ending: Ending | None = None
    problems: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    skipped: int = 0


def read_batch(
    records: Iterable[object], *, limits: Limits | None = None, counts: Mapping[str, int] | None = None
) -> Batch:
    """Sort ``records`` (lines of ``metrics.jsonl``, parsed) into a batch; never raises for what a line says.

    ``counts`` holds how many points each scalar has already: a point without a step gets the next index of its name.
    """
    return _Reader(limits or Limits(), counts or {}).read(records)


class _Reader:
    def __init__(self, limits: Limits, counts: Mapping[str, int]) -> None:
        self._limits = limits
        self._counts = counts
        self._batch = Batch()
        self._columns: dict[str, tuple[list[int], list[float], list[float]]] = {}
        self._problems: Counter[str] = Counter()
        self._room = math.inf if limits.new_names is None else limits.new_names
        self._by_kind: dict[object, Callable[[Record], None]] = {
            "scalar": self._scalar,
            "param": self._param,
            "tag": self._tag,
            "untag": self._untag,
            "property": self._property,
            "file": self._file,
            "complete": self._complete,
            "fail": self._fail,
            **dict.fromkeys(map(str, Kind), self._logged),
        }

    def read(self, records: Iterable[object]) -> Batch:
        for record in records:
            try:
                if not isinstance(record, dict):
                    raise Skip("is not an object")
                kind = record.get("k")
                if not isinstance(kind, str) or (handle := self._by_kind.get(kind)) is None:
                    raise Skip("has no known kind")
                handle(record)
            except NoRoom as full:  # without the names, of which there may be any number
                self._problems[str(full)] += 1
            except Skip as skip:
                self._problems[f"{_subject(record)} {skip}"] += 1
        batch = self._batch
        batch.scalars = {name: Series.of(*columns) for name, columns in self._columns.items()}
        batch.skipped = self._problems.total()
        batch.problems = _told(self._problems)
        batch.reasons = list(self._problems)[:_MAX_PROBLEMS]
        return batch

    def _scalar(self, record: Record) -> None:
        # A name seen before was checked before: this is the one line that comes by the thousands.
        columns = self._columns.get(name) if isinstance(name := record.get("n"), str) else None
        if columns is None or not isinstance(name, str):
            name = self._name(record)
        time, value, step = record.get("t"), record.get("v"), record.get("s")
        if type(time) is not float or not 0 <= time < END_OF_TIME:
            time = time_of(record)
        if type(value) is not float:
            value = number_of(record)
        if step is None:
            step = self._counts.get(name, 0) + (len(columns[0]) if columns else 0)
        elif type(step) is not int or step not in INT64:
            raise Skip("has a step that is no 64-bit integer")
        if "d" in record and (description := self._description(record)) is not None:
            self._batch.descriptions[name] = description
        if columns is None:
            columns = self._new_column(name)
        columns[0].append(step)
        columns[1].append(time)
        columns[2].append(value)

    def _new_column(self, name: str) -> tuple[list[int], list[float], list[float]]:
        if name not in self._counts:
            if self._room < 1:
                raise NoRoom(TOO_MANY_NAMES)
            self._room -= 1
        return self._columns.setdefault(name, ([], [], []))

    def _logged(self, record: Record) -> None:
        kind = Kind(str(record["k"]))
        name, time = self._name(record), time_of(record)
        if kind == Kind.IMAGE:
            value: object = self._artifact(record.get("path"))
        else:
            value = record.get("v")
            if kind == Kind.TEXT:
                value = self._text(value, self._limits.text_length)
            elif kind in _BLOBS:
                value = self._object(value)
            else:
                value = self._cells(kind, value)
        self._batch.logged.append(Logged(name, kind, time, value, self._description(record)))

    def _param(self, record: Record) -> None:
        self._set_once(self._batch.params, record)

    def _property(self, record: Record) -> None:
        self._set_once(self._batch.properties, record)

    def _set_once(self, into: dict[str, str], record: Record) -> None:
        name, value = self._name(record), self._text(record.get("v"), self._limits.value_length)
        if into.setdefault(name, value) != value:
            raise Skip("has another value already")

    def _tag(self, record: Record) -> None:
        name, value = self._name(record), record.get("v")
        self._batch.tags[name] = None if value is None else self._text(value, self._limits.value_length)

    def _untag(self, record: Record) -> None:
        name = self._name(record)
        self._batch.tags.pop(name, None)
        self._batch.untags.add(name)

    def _file(self, record: Record) -> None:
        self._batch.files.append(self._artifact(record.get("n")))

    def _complete(self, record: Record) -> None:
        self._batch.ending = Ending(failed=False)

    def _fail(self, record: Record) -> None:
        message, code = (
            None if record.get(key) is None else self._text(record[key], limit)
            for key, limit in (("message", self._limits.text_length), ("code", self._limits.name_length))
        )
        self._batch.ending = Ending(failed=True, message=message, code=code)

    def _name(self, record: Record) -> str:
        name = record.get("n")
        if not isinstance(name, str) or not name:
            raise Skip("has no name")
        if len(name) > self._limits.name_length:
            raise Skip(f"has a name longer than {self._limits.name_length} characters")
        if "\0" in name or not is_unicode(name):
            raise Skip("has a name that is no valid text")
        return name

    def _description(self, record: Record) -> str | None:
        description = record.get("d")
        return None if description is None else self._text(description, self._limits.text_length)

    def _text(self, value: object, limit: int) -> str:
        if not isinstance(value, str):
            raise Skip("has a value that is no text")
        if len(value) > limit:
            raise Skip(f"has a text longer than {limit} characters")
        return storable(value)

    def _artifact(self, name: object) -> str:
        if not isinstance(name, str):
            raise Skip("names no file")
        try:
            return clean_name(name)
        except NameRefused as refused:
            raise Skip(f"names a file that is refused: {refused.why}") from refused

    def _cells(self, kind: Kind, value: object) -> object:
        """Check a list, row or table cell by cell, and return it in the form in which it is stored."""
        if kind == Kind.LIST:
            columns: dict[str, object] = {"": value}
        elif isinstance(value, dict):
            columns = value
        else:
            raise Skip("has a value that is no object of columns")
        stored: dict[str, object] = {}
        count = 0
        for column, cells in columns.items():
            row = [cells] if kind == Kind.ROW else cells
            if not isinstance(row, list):
                raise Skip("has a value that is no list")
            count += len(row)
            if count > self._limits.cells:
                raise Skip(f"has more than {self._limits.cells} cells")
            checked = [self._cell(cell) for cell in row]
            stored[storable(column)] = checked[0] if kind == Kind.ROW else checked
        return stored[""] if kind == Kind.LIST else stored

    def _cell(self, cell: object) -> object:
        if isinstance(cell, str):
            return self._text(cell, self._limits.text_length)
        if cell is None or isinstance(cell, bool):
            return cell
        if isinstance(cell, int | float):
            return flag(storable_number(cell))
        if isinstance(cell, dict) and len(cell) == 1 and token_value(cell.get("x")) is not None:
            return cell
        raise Skip("has a cell that is neither number nor text")

    def _object(self, value: object) -> object:
        if not isinstance(value, dict | list):
            raise Skip("has a value that is no object")
        checked = flag(bounded(value, self._limits.depth))
        if len(json.dumps(checked)) > self._limits.object_length:
            raise Skip(f"has an object longer than {self._limits.object_length} characters")
        return checked


def _subject(record: object) -> str:
    if not isinstance(record, dict):
        return "a line"
    kind, name = record.get("k"), record.get("n")
    subject = kind[:_SHOWN_NAME] if isinstance(kind, str) and kind else "a line"
    if isinstance(name, str) and name:
        subject += f" {name[:_SHOWN_NAME] + ('…' if len(name) > _SHOWN_NAME else '')!r}"
    return subject


def _told(problems: Counter[str]) -> list[str]:
    told = [p if count == 1 else f"{p} ({count} times)" for p, count in list(problems.items())[:_MAX_PROBLEMS]]
    rest = sum(list(problems.values())[_MAX_PROBLEMS:])
    return [*told, f"and {rest} more lines were skipped"] if rest else told
