"""Appends what a script logs to its run's `metrics.jsonl`: one JSON object a line, one write a line.

O_APPEND and a single write keep lines of threads and forked processes apart without a lock, and what was written is
the kernel's: a script that is killed loses nothing it has logged.
"""

import json
import math
import os
import time
from json.encoder import encode_basestring_ascii
from typing import Any, Callable, Dict, Optional, SupportsInt, Tuple

from mlportal_sdk import values

FILE_NAME = "metrics.jsonl"
MAX_LINE_BYTES = 1000 * 1000  # readers skip lines above 1 MiB

_KNOWN_NAMES = 10000


class TooLarge(ValueError):
    """The value does not fit in one line of the record."""


class Recorder:
    """The writing side of one run's record file. Safe to share between threads and across fork; may be pickled.

    Every method raises TypeError or ValueError for a value that has no place in the record, having written nothing
    (of a list or table that takes several lines, those before a cell that is too large stay), and OSError where the
    file cannot be written.
    """

    def __init__(self, run_directory: str) -> None:
        self.run_directory = run_directory
        self.path = os.path.join(run_directory, FILE_NAME)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._names: Dict[str, str] = {}
        self._torn = False

    def __reduce__(self) -> Tuple[Callable[[str], "Recorder"], Tuple[str]]:
        return recorder, (self.run_directory,)

    def log(self, name: str, value: Any, step: Optional[SupportsInt] = None, description: str = "") -> None:
        """One value of a metric: a number (of a step) or a string."""
        try:
            value = values.scalar(value)
        except TypeError as error:
            raise TypeError("metric {!r}: {}".format(name, error)) from None
        if step is not None and type(step) is not int:
            step = int(step)
        if isinstance(value, str):
            self.record("text", name, description, v=value)
        elif not math.isfinite(value):
            self.record("scalar", name, description, v=None, x=values.non_finite_name(value), s=step)
        elif description:
            self.record("scalar", name, description, v=value, s=step)
        else:
            # by hand: several times faster than json.dumps, and scripts log in their innermost loops
            self._append(
                '{"t":%r,"k":"scalar","n":%s,"v":%r,"s":%s}\n'
                % (time.time(), self._names.get(name) or self._name(name), value, "null" if step is None else step)
            )

    def log_list(self, name: str, items: Any, description: str = "") -> None:
        """More values of a list metric. An empty list records nothing."""
        cells = _converted(name, items)
        if cells:
            self._record_rows("list", name, description, cells)

    def log_row(self, name: str, row: Dict[str, Any], description: str = "") -> None:
        """One more row of a table metric: a scalar for each column."""
        cells = {values.text(column): _converted(name, [value])[0] for column, value in row.items()}
        self.record("row", name, description, v=cells)

    def log_table(self, name: str, columns: Dict[str, Any], description: str = "") -> None:
        """More rows of a table metric: a list of equal length for each column; a lone scalar is a list of one."""
        if not isinstance(columns, dict):
            raise TypeError("metric {!r}: expected a dict of columns, not {}".format(name, type(columns).__name__))
        table = {}
        for column, cells in columns.items():
            alone = isinstance(cells, (str, bytes)) or not getattr(cells, "shape", hasattr(cells, "__iter__"))
            table[values.text(column)] = _converted(name, [cells] if alone else cells)
        lengths = {column: len(cells) for column, cells in table.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError("metric {!r}: columns differ in length: {}".format(name, lengths))
        if any(table.values()):
            self._record_rows("table", name, description, table)

    def log_object(self, kind: str, name: str, value: Any, description: str = "") -> None:
        """A confusion matrix, accuracy table, predictions or residuals: a dict, or JSON text that holds one."""
        if isinstance(value, (str, bytes)):
            value = json.loads(value if isinstance(value, str) else value.decode("utf-8"))
        if not isinstance(value, dict):
            raise TypeError("metric {!r}: expected a dict, not {}".format(name, type(value).__name__))
        self.record(kind, name, description, v=values.structure(value))

    def record(self, kind: str, name: Optional[str] = None, description: str = "", **fields: Any) -> None:
        """One line of any kind; `fields` are JSON already. Raises TooLarge above `MAX_LINE_BYTES`."""
        record: Dict[str, Any] = {"t": time.time(), "k": kind}
        if name is not None:
            record["n"] = _valid_name(name)
        record.update(fields)
        if description:
            record["d"] = values.text(description)
        line = json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n"
        if len(line) > MAX_LINE_BYTES:
            raise TooLarge("{} {!r} is too large for a record: write it to a file in outputs/".format(kind, name))
        self._append(line)

    def _record_rows(self, kind: str, name: str, description: str, rows: Any) -> None:
        """A list, or a dict of lists, in as many lines as it takes: readers put those of one name together again."""
        try:
            self.record(kind, name, description, v=rows)
        except TooLarge:
            count = len(rows) if kind == "list" else len(next(iter(rows.values())))
            if count == 1:
                raise
            for part in (slice(count // 2), slice(count // 2, None)):
                half = rows[part] if kind == "list" else {column: cells[part] for column, cells in rows.items()}
                self._record_rows(kind, name, description, half)

    def _name(self, name: str) -> str:
        quoted = encode_basestring_ascii(_valid_name(name))
        if len(self._names) >= _KNOWN_NAMES:
            self._names.clear()  # a script that makes up a name for each value
        self._names[name] = quoted
        return quoted

    def _append(self, line: str) -> None:
        data = line.encode("ascii")
        if self._torn:
            data = b"\n" + data
        written = os.write(self._descriptor, data)
        if written != len(data):
            self._torn = True  # until the rest is there: a full disk or a file size limit may keep it out
            while written != len(data):
                written += os.write(self._descriptor, data[written:])
        self._torn = False


_recorders: Dict[str, Recorder] = {}


def recorder(run_directory: str) -> Recorder:
    """The one recorder of a run directory in this process."""
    try:
        return _recorders[run_directory]
    except KeyError:
        return _recorders.setdefault(run_directory, Recorder(run_directory))


def _valid_name(name: str) -> str:
    if name is None or name == "":
        raise ValueError("a name is needed")
    return values.text(name)


def _converted(name: str, items: Any) -> Any:
    try:
        return values.scalars(items)
    except TypeError as error:
        raise TypeError("metric {!r}: {}".format(name, error)) from None
