"""What calls bring, checked as MLflow's server does, before anything is written."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, Final

import orjson

from experiments.metrics import Series
from experiments.metrics.checks import END_OF_TIME
from experiments.search.attributes import NAME_TAG
from mlportal.mlflow_api import names
from mlportal.mlflow_api.call import INT64, Json, whole
from mlportal.mlflow_api.errors import invalid, missing

END_OF_MILLISECONDS: Final = int(END_OF_TIME * 1000)
LONG: Final = 50
VIEWS: Final = ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")
_TOKENS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_metrics(items: list[Any], path: str = "metrics") -> dict[str, Series]:
    """The points by name, in the order in which they stand. Raises INVALID_PARAMETER_VALUE."""
    if plain := _of_one_name(items):
        return {names.key(items[0]["key"], _place(path, 0, "key")): plain}
    columns: dict[str, tuple[list[int], list[float], list[float]]] = {}
    for index, item in enumerate(items):
        name, value, time, step = item.get("key"), item.get("value"), item.get("timestamp"), item.get("step", 0)
        column = columns.get(name) if type(name) is str else None
        if column is None:
            name = names.key(name, _place(path, index, "key"))
            column = columns.setdefault(name, ([], [], []))
        if type(value) is not float:
            value = _value(value, _place(path, index, "value"))
        if type(time) is not int or not 0 <= time < END_OF_MILLISECONDS:
            time = _time(time, _place(path, index, "timestamp"))
        if type(step) is not int or not -INT64 <= step < INT64:
            step = 0 if step is None else whole(step, _place(path, index, "step"))
        column[0].append(step)
        column[1].append(time / 1000)
        column[2].append(value)
    return {name: Series.of(*column) for name, column in columns.items()}


def _of_one_name(items: list[Any]) -> Series | None:
    """The points of a long batch as most are: under one name, and every number of the type that it has in the end."""
    if len(items) < LONG:
        return None
    try:
        if len({item["key"] for item in items}) > 1:
            return None
        values, times, steps = ([item[key] for item in items] for key in ("value", "timestamp", "step"))
    except (KeyError, TypeError):
        return None
    if set(map(type, values)) != {float} or {*map(type, times), *map(type, steps)} != {int}:
        return None
    if min(times) < 0 or max(times) >= END_OF_MILLISECONDS or min(steps) < -INT64 or max(steps) >= INT64:
        return None
    return Series.of(steps, [time / 1000 for time in times], values)


def read_params(items: list[Json]) -> dict[str, str]:
    params: dict[str, str] = {}
    for index, item in enumerate(items):
        name = names.key(item.get("key"), f"params[{index}].key")
        if name in params:
            raise invalid(
                f"Duplicate parameter keys have been submitted: ['{name}']. Please ensure the request contains only one"
                " param value per param key."
            )
        params[name] = names.value(item.get("value"), f"params[{index}].value", names.MAX_PARAM)
    return params


def read_tags(items: list[Json]) -> dict[str, str | None]:
    """Of a tag that comes twice the last stays."""
    return {
        names.key(item.get("key"), f"tags[{index}].key"): names.value(
            item.get("value"), f"tags[{index}].value", names.MAX_TAG
        )
        for index, item in enumerate(items)
    }


def take_own_tags(tags: dict[str, str | None]) -> str:
    """Takes the run's name out of them, which is a field of the run here."""
    name = tags.pop(NAME_TAG, None) or ""
    if len(name) > names.MAX_KEY:
        raise invalid(f"'{NAME_TAG}' exceeds the maximum length of {names.MAX_KEY} characters")
    return name


def view_of(value: Any) -> str:
    """`ViewType` by its name or by its number in protobuf."""
    if value is None:
        return "ACTIVE_ONLY"
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is int and 1 <= value <= len(VIEWS):
        return VIEWS[value - 1]
    if value in VIEWS:
        return str(value)
    raise invalid(f"Invalid value {value!r:.100} for a view type; there are {', '.join(VIEWS)}.")


def offset_of(token: str) -> int:
    """Where a page begins. INVALID_PARAMETER_VALUE for what is no token of ours."""
    if not token:
        return 0
    try:
        offset: Any = orjson.loads(base64.b64decode(token, validate=True))["offset"]
    except (binascii.Error, ValueError, TypeError, KeyError):
        offset = None
    if type(offset) is not int or not 0 <= offset < INT64:
        raise invalid(f"Invalid page token, parsed value={token[:100]!r}")
    return int(offset)


def token_of(offset: int) -> str:
    return base64.b64encode(orjson.dumps({"offset": offset})).decode()


def _place(path: str, index: int, name: str) -> str:
    return f"{path}[{index}].{name}" if path else name


def _value(value: Any, path: str) -> float:
    if isinstance(value, str):
        if value in _TOKENS:
            return _TOKENS[value]
        try:
            return float(value[:400])
        except ValueError:
            value = None if value == "" else value
    if value is None:
        raise missing(path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise invalid(
        f"Invalid value {value!r:.100} for parameter '{path}' supplied: Please specify value as a valid double (64-bit floating point)"
    )


def _time(time: Any, path: str) -> int:
    if time is None:
        raise missing(path)
    moment = whole(time, path)
    if not 0 <= moment < END_OF_MILLISECONDS:
        raise invalid(
            f"Invalid value {moment} for parameter '{path}' supplied: Timestamp must be milliseconds from 1970 to the year 9999."
        )
    return moment
