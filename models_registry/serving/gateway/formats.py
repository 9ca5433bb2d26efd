"""The bodies of requests and answers in each dialect: Azure's `score`, MLflow's `invocations`, Open Inference v2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from models_registry.serving.gateway.errors import BadInput
from models_registry.serving.gateway.tabular import Table, from_columns, from_csv, from_records, from_rows

V2_TYPES = {
    "BOOL": "?",
    "INT8": "i1",
    "INT16": "i2",
    "INT32": "i4",
    "INT64": "i8",
    "UINT8": "u1",
    "UINT16": "u2",
    "UINT32": "u4",
    "UINT64": "u8",
    "FP16": "f2",
    "FP32": "f4",
    "FP64": "f8",
}
V2_NAMES = {np.dtype(code): name for name, code in V2_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Call:
    """A request understood: rows, the method asked for (None: the model's first), and how to write the answer."""

    table: Table
    method: str | None
    write: Callable[[Any], bytes]


def dumps(value: Any) -> bytes:
    """JSON of a value that may hold arrays. NaN becomes null, which is what JSON has for it."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


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
    """Azure's: {"data": [[…]], "method": "predict"}; the answer is the list alone."""
    if is_csv:
        return Call(from_csv(body), None, dumps)
    request = parse_json(body)
    if "data" not in request:
        raise BadInput('The body is {"data": [[…], …], "method": "predict"}', got=sorted(request))
    return Call(from_rows(request["data"]), _text(request, "method"), dumps)


def read_invocations(body: bytes, is_csv: bool) -> Call:
    """MLflow's, in its four shapes or as CSV; the answer is {"predictions": …}."""

    def write(result: Any) -> bytes:
        return dumps({"predictions": result})

    if is_csv:
        return Call(from_csv(body), None, write)
    request = parse_json(body)
    readers: dict[str, Callable[[Any], Table]] = {
        "dataframe_split": _split,
        "dataframe_records": _records,
        "inputs": _inputs,
        "instances": from_rows,
    }
    given = [name for name in readers if name in request]
    if len(given) != 1:
        raise BadInput(f"The body has exactly one of {', '.join(readers)}", got=sorted(request))
    return Call(readers[given[0]](request[given[0]]), None, write)


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


def read_infer(body: bytes, model: str, version: str) -> Call:
    """Open Inference Protocol v2 with numbers: one input of shape [rows, features], or one input a feature."""
    request = parse_json(body)
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(item, dict) for item in inputs):
        raise BadInput('The body is {"inputs": [{"name", "shape", "datatype", "data"}, …]}')
    arrays = [_tensor(item) for item in inputs]
    columns = None
    if len(arrays) == 1 and arrays[0].ndim == 2:
        rows = arrays[0]
    elif any(array.size != len(array) for array in arrays) or len({len(array) for array in arrays}) != 1:
        raise BadInput("Several inputs are one feature each, all with the shape [rows] or [rows, 1]")
    else:
        rows = np.stack([array.reshape(-1) for array in arrays], axis=1)
        columns = [str(item.get("name")) for item in inputs]
    parameters = request.get("parameters")
    method = _text(parameters, "method") if isinstance(parameters, dict) else None
    number = _text(request, "id")

    def write(result: Any) -> bytes:
        array = np.asarray(result)
        text = array.dtype not in V2_NAMES
        output = {
            "name": method or "predict",
            "shape": list(array.shape),
            "datatype": "BYTES" if text else V2_NAMES[array.dtype],
            "data": [str(item) for item in array.ravel().tolist()] if text else array.ravel(),
        }
        named = {"id": number} if number else {}
        return dumps({"model_name": model, "model_version": version, **named, "outputs": [output]})

    return Call(Table(rows, columns), method, write)


def _tensor(item: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    name, kind, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if kind not in V2_TYPES:
        raise BadInput(f"Input {name}: the datatype is one of {', '.join(V2_TYPES)}", got=kind)
    if not isinstance(shape, list) or not shape or any(type(n) is not int or n < 0 for n in shape):
        raise BadInput(f"Input {name}: the shape is a list of whole numbers", got=shape)
    try:
        array = np.array(item.get("data"), dtype=V2_TYPES[kind])
    except (ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"Input {name}: the data are not {kind}: {error}") from None
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError):
        raise BadInput(f"Input {name}: {array.size} numbers do not fill the shape {shape}") from None


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise BadInput(f"{key} is a text", got=type(value).__name__)
    return value
