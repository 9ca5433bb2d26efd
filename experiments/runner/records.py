"""One line of metrics.jsonl: what the script logged, checked and made storable."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_LINE = 1 << 20
_LATEST = 250_000_000_000  # epoch seconds: still within the year 9999, datetime's last

Record = dict[str, Any]

_NAMELESS = frozenset({"complete", "fail"})
KINDS = _NAMELESS | {
    *("scalar", "text", "list", "row", "table", "image"),
    *("confusion_matrix", "accuracy_table", "predictions", "residuals"),
    *("param", "tag", "untag", "property", "file"),
}


def parse(line: bytes) -> Record | None:
    """One line of metrics.jsonl, or None when it is not valid."""
    if len(line) > MAX_LINE:
        return None
    try:
        record = json.loads(line.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not _is_time(record.get("t")):
        return None
    kind = record.get("k")
    if not isinstance(kind, str) or kind not in KINDS:
        return None
    if kind not in _NAMELESS and not (isinstance(record.get("n"), str) and record["n"]):
        return None
    if kind == "scalar":
        return _scalar(record, escapes=b"\\u" in line)
    try:
        cleaned: Record = _clean(record)
    except RecursionError:
        return None
    return cleaned if _fits(kind, cleaned) else None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < _LATEST  # false for what is not finite, too


def _scalar(record: Record, *, escapes: bool) -> Record | None:
    value, step = record.get("v"), record.get("s")
    if step is not None and (type(step) is not int or not -(1 << 63) <= step < 1 << 63):
        return None
    if value is None:
        if record.get("x") not in ("nan", "inf", "-inf"):
            return None
    elif type(value) is int:
        if abs(value) >= 1 << 63:
            record["v"] = _as_float(value)
    elif type(value) is not float:
        return None
    if type(record.get("v")) is float and not math.isfinite(record["v"]):
        record["x"] = "inf" if record["v"] > 0 else "-inf"
        record["v"] = None
    return _clean(record) if escapes else record


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else _text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if type(value) is int and abs(value) >= 1 << 63:
        value = _as_float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return {"x": "inf" if value > 0 else "-inf"}
    return value


def _text(value: str) -> str:
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _fits(kind: str, record: Record) -> bool:
    value = record.get("v")
    match kind:
        case "text" | "param" | "property":
            return isinstance(value, str)
        case "tag":
            return value is None or isinstance(value, str)
        case "list":
            return isinstance(value, list)
        case "row":
            return isinstance(value, dict)
        case "table":
            return isinstance(value, dict) and all(isinstance(column, list) for column in value.values())
        case "image":
            return isinstance(record.get("path"), str)
        case "fail":
            return all(record.get(key) is None or isinstance(record[key], str) for key in ("message", "code"))
    return True
