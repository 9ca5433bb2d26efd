"""Reads a run's own record file back: metrics, tags and properties, converted as the Azure ML SDK does it."""

import json
import warnings
from typing import Any, Dict, Iterator, List, Optional, Tuple

from mlportal_sdk import values

# kind of a line -> kind of metric: a name belongs to the first kind that it is logged as
METRIC_KINDS = {
    "scalar": "scalar",
    "text": "scalar",
    "list": "list",
    "row": "table",
    "table": "table",
    "image": "image",
    "confusion_matrix": "confusion_matrix",
    "accuracy_table": "accuracy_table",
    "predictions": "predictions",
    "residuals": "residuals",
}

Record = Dict[str, Any]


def read(path: str) -> Iterator[Record]:
    """The complete, valid lines of a record file, in order."""
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return  # still being written
            try:
                record = json.loads(line.decode("utf-8"))
            except ValueError:
                continue  # torn by a full disk
            if isinstance(record, dict) and "k" in record:
                yield record


def metrics(path: str, name: Optional[str] = None) -> Dict[str, Any]:
    """Metrics by name: one value as it is, several as a list, rows and tables as columns.

    What was logged under a name as another kind than the first time is left out with a warning.
    """
    found: Dict[str, Tuple[str, List[Record]]] = {}
    conflicts: Dict[str, str] = {}
    for record in read(path):
        kind = METRIC_KINDS.get(record["k"])
        if kind is None or (name is not None and record["n"] != name):
            continue
        first_kind, records = found.setdefault(record["n"], (kind, []))
        if kind == first_kind:
            records.append(record)
        else:
            conflicts[record["n"]] = kind
    for conflict, kind in conflicts.items():
        warnings.warn(
            "metric {!r} was logged as {} first: what was logged as {} is left out".format(
                conflict, found[conflict][0], kind
            ),
            stacklevel=3,
        )
    return {key: _merged(kind, records) for key, (kind, records) in found.items()}


def tags(path: str) -> Dict[str, Optional[str]]:
    """The last value of every tag that is not removed; None for a tag without a value."""
    found: Dict[str, Optional[str]] = {}
    for record in read(path):
        if record["k"] == "tag":
            found[record["n"]] = record["v"]
        elif record["k"] == "untag":
            found.pop(record["n"], None)
    return found


def properties(path: str) -> Dict[str, str]:
    """The first value of every property: they are written once."""
    found: Dict[str, str] = {}
    for record in read(path):
        if record["k"] == "property":
            found.setdefault(record["n"], record["v"])
    return found


def _merged(kind: str, records: List[Record]) -> Any:
    if kind == "table":
        return _columns(records)
    if kind == "scalar":
        series = [values.NON_FINITE[record["x"]] if "x" in record else record["v"] for record in records]
    elif kind == "list":
        series = [values.decode(value) for record in records for value in record["v"]]
    elif kind == "image":
        series = [record["path"] for record in records]
    else:
        series = [values.decode(record["v"]) for record in records]
    return series[0] if len(series) == 1 else series


def _columns(records: List[Record]) -> Dict[str, Any]:
    columns: Dict[str, List[Any]] = {}
    height = 0
    for record in records:
        block = record["v"] if record["k"] == "table" else {column: [cell] for column, cell in record["v"].items()}
        rows = max((len(cells) for cells in block.values()), default=0)
        for column in block:
            columns.setdefault(column, [None] * height)
        for column, cells in columns.items():
            cells.extend(values.decode(block.get(column, [None] * rows)))
        height += rows
    return {column: cells[0] if height == 1 else cells for column, cells in columns.items()}
