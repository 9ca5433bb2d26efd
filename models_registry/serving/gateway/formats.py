"""The bodies of requests and answers of Azure's `score` and MLflow's `invocations`; open_inference.py has the third."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from models_registry.serving.gateway.errors import BadInput
from models_registry.serving.gateway.tabular import Table, from_columns, from_csv, from_records, from_rows

NAMED = 20  # keys of a body that a message names


@dataclass(frozen=True, slots=True)
class Call:
    """A request understood: rows, the method asked for (None: the model's first), and how to write the answer."""

    table: Table
    method: str | None
    write: Callable[[Any], bytes]


def dumps(value: Any) -> bytes:
    """JSON of a value that may hold arrays. NaN and infinite numbers become null, which is what JSON has for them."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # half a character in a text: labels of a model may have one
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises BadInput naming the place of the fault."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"The body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInput("The body is a JSON object", got=type(value).__name__)
    return value


def read_score(body: bytes, is_csv: bool) -> Call:
    """Azure's: {"data": [[…]], "method": "predict"}, perhaps with "params"; the answer is the list alone."""
    if is_csv:
        return Call(from_csv(body), None, _list)
    request = parse_json(body)
    if "data" not in request:
        raise BadInput(
            'The body is {"data": [[…], …], "method": "predict"}', got=[key[:100] for key in sorted(request)[:NAMED]]
        )
    data = request["data"]
    table = _split(data) if isinstance(data, dict) and "data" in data else from_rows(data)
    return _call(table, request, _list)


def read_invocations(body: bytes, is_csv: bool) -> Call:
    """MLflow's, in its four shapes or as CSV; the answer is {"predictions": …}."""
    if is_csv:
        return Call(from_csv(body), None, _predictions)
    request = parse_json(body)
    given = [name for name in READERS if name in request]
    if len(given) != 1:
        raise BadInput(
            f"The body has exactly one of {', '.join(READERS)}", got=[key[:100] for key in sorted(request)[:NAMED]]
        )
    return _call(READERS[given[0]](request[given[0]]), request, _predictions)


def _list(result: Any) -> bytes:
    return dumps(_doubles(result))


def _predictions(result: Any) -> bytes:
    return dumps({"predictions": _doubles(result)})


def _doubles(result: Any) -> Any:
    """Numbers of 32 bits as Python's floats, digit for digit what `tolist()` of the model's own answer has."""
    is_short = isinstance(result, np.ndarray) and result.dtype.kind == "f" and result.dtype.itemsize < 8
    return result.astype(np.float64) if is_short else result


def _call(table: Table, request: Mapping[str, Any], write: Callable[[Any], bytes]) -> Call:
    table.method = text_of(request, "method")
    params = request.get("params")
    if params is not None and not isinstance(params, dict):
        raise BadInput("params is an object: the further arguments of the method", got=type(params).__name__)
    table.params = params
    return Call(table, table.method, write)


def _split(value: Any) -> Table:
    if not isinstance(value, dict) or "data" not in value:
        raise BadInput('dataframe_split is {"columns": […], "data": [[…], …]}')
    return from_rows(value["data"], value.get("columns"))


def _records(value: Any) -> Table:
    if not isinstance(value, list) or not value:
        raise BadInput("dataframe_records is a list of objects, one a row")
    return from_records(value)


def _inputs(value: Any) -> Table:
    return from_columns(value) if isinstance(value, dict) else from_rows(value)


READERS: dict[str, Callable[[Any], Table]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "inputs": _inputs,
    "instances": from_rows,
}


def text_of(values: Mapping[str, Any], key: str) -> str | None:
    """The text at `key`, or None. Raises BadInput."""
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise BadInput(f"{key} is a text", got=type(value).__name__)
    return value
