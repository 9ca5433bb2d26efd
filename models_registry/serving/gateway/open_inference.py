"""The bodies of the Open Inference Protocol, version 2 (KServe's, Triton's, MLServer's), in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import orjson

from models_registry.serving.gateway.contracts import Route, Target
from models_registry.serving.gateway.errors import BadInput
from models_registry.serving.gateway.formats import Call, dumps, parse_json, text_of
from models_registry.serving.gateway.tabular import Table

TYPES = {
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
    "BYTES": "O",
}
NAMES = {np.dtype(code): name for name, code in TYPES.items() if name != "BYTES"}
# What JSON may hold for each kind of number: a text is none, and no fraction is a whole number.
CELLS: dict[str, frozenset[type]] = {
    "b": frozenset((bool,)),
    "i": frozenset((int,)),
    "u": frozenset((int,)),
    "f": frozenset((int, float, type(None))),
    "O": frozenset((str, type(None))),
}
OWN_PARAMETERS = {"method", "content_type", "headers", "binary_data_output"}
BINARY = "Binary tensors are not taken: send them as JSON"

Array = np.ndarray[Any, Any]


def read_infer(body: bytes, model: str, target: Target) -> Call:
    """One input of shape [rows, features], or one input a feature, named as the model's columns.

    The method is `parameters.method`, or the name of the one output that is asked for; other parameters are its
    further arguments.
    """
    request = parse_json(body)
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(item, dict) for item in inputs):
        raise BadInput('The body is {"inputs": [{"name", "shape", "datatype", "data"}, …]}')
    arrays = [_tensor(item) for item in inputs]
    parameters = request.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadInput("parameters is an object", got=type(parameters).__name__)
    if parameters.get("binary_data_output"):
        raise BadInput(BINARY)
    method = text_of(parameters, "method") or _output(request.get("outputs"))
    number = text_of(request, "id")

    called = method or target.describe.get("default_method") or "predict"
    named = {"id": number} if number else {}
    # No function of here: a large body is understood in another process.
    write = partial(_answer, {"model_name": model, "model_version": target.version, **named}, called)
    rows, columns = _rows(inputs, arrays)
    params = {key: value for key, value in parameters.items() if key not in OWN_PARAMETERS}
    return Call(Table(rows, columns, method, params or None), method, write)


def _answer(head: dict[str, Any], method: str, result: Any) -> bytes:
    return dumps({**head, "outputs": _outputs(method, result)})


def _rows(inputs: list[dict[str, Any]], arrays: list[Array]) -> tuple[Any, list[str] | None]:
    first = arrays[0]
    if len(arrays) == 1:
        if first.dtype != object:
            return first if first.ndim > 1 else first.reshape(-1, 1), None
        return first.tolist() if first.ndim < 3 else first, None
    if any(array.size != len(array) for array in arrays) or len({len(array) for array in arrays}) != 1:
        raise BadInput("Several inputs are one feature each, all with the shape [rows] or [rows, 1]")
    columns = [str(item.get("name")) for item in inputs]
    flat = [array.reshape(-1) for array in arrays]
    if any(array.dtype == object for array in flat):
        return list(map(list, zip(*(array.tolist() for array in flat), strict=True))), columns
    return np.stack(flat, axis=1), columns


def _tensor(item: Mapping[str, Any]) -> Array:
    name, kind, shape, data = (item.get(key) for key in ("name", "datatype", "shape", "data"))
    parameters = item.get("parameters")
    if isinstance(parameters, dict) and "binary_data_size" in parameters:
        raise BadInput(f"Input {name}: {BINARY[0].lower()}{BINARY[1:]}")
    if not isinstance(kind, str) or kind not in TYPES:
        raise BadInput(f"Input {name}: the datatype is one of {', '.join(TYPES)}", got=str(kind)[:100])
    if not isinstance(shape, list) or not 0 < len(shape) <= 8 or any(type(n) is not int or n < 0 for n in shape):
        raise BadInput(f"Input {name}: the shape is a list of 1 to 8 whole numbers", got=str(shape)[:100])
    if not isinstance(data, list):
        raise BadInput(f"Input {name}: the data are a list, flat or nested as the shape says", got=type(data).__name__)
    flat, nested = data, len(shape)
    while nested > 1 and flat and type(flat[0]) is list:
        lengths = {len(part) if type(part) is list else -1 for part in flat}
        if lengths != {shape[1 - nested]}:
            raise BadInput(f"Input {name}: the lists of the data are not nested as the shape {shape} says")
        flat, nested = list(chain.from_iterable(flat)), nested - 1
    code = np.dtype(TYPES[kind])
    kinds = set(map(type, flat))
    if not kinds <= CELLS[code.kind]:
        wrong = next(value for value in flat if type(value) not in CELLS[code.kind])
        raise BadInput(f"Input {name}: the data are not {kind}", got=orjson.dumps(wrong).decode()[:100])
    try:
        array = np.array(flat, dtype=code)
    except OverflowError as error:
        raise BadInput(f"Input {name}: the data are not {kind}: {error}") from None
    if code.kind == "f" and np.isinf(array).any():
        raise BadInput(f"Input {name}: a number is too large for {kind}")
    try:
        return array.reshape(shape)
    except ValueError:
        raise BadInput(f"Input {name}: {array.size} values do not fill the shape {shape}") from None


def _output(asked: Any) -> str | None:
    """The method that a request asks for by the name of an output, as MLServer's scikit-learn models take it."""
    if asked is None or asked == []:
        return None
    if not isinstance(asked, list) or not all(isinstance(item, dict) for item in asked):
        raise BadInput('outputs is [{"name": …}]')
    if len(asked) > 1:
        raise BadInput("One output is answered in a request: send one for each", got=len(asked))
    parameters = asked[0].get("parameters")
    if isinstance(parameters, dict) and parameters.get("binary_data"):
        raise BadInput(BINARY)
    return text_of(asked[0], "name")


def _outputs(name: str, result: Any) -> list[dict[str, Any]]:
    """One output, or one for each array of a result that has several of unlike shapes (`predict_proba_0`, …)."""
    array = _array(result)
    if array is not None:
        return [_written(name, array)]
    parts = [(f"{name}_{number}", part, _array(part)) for number, part in enumerate(result)]
    if all(part is not None for _, _, part in parts):
        return [_written(label, part) for label, _, part in parts if part is not None]
    # Rows that are no tensor (objects, lists of any length): each as a text of JSON.
    texts = [dumps(item).decode() for item in result]
    return [{"name": name, "shape": [len(texts)], "datatype": "BYTES", "data": texts}]


def _array(result: Any) -> Array | None:
    if isinstance(result, dict):
        return None
    try:
        array = np.asarray(result)
    except ValueError:  # lists of several lengths
        return None
    if array.dtype == object:
        if set(map(type, array.ravel().tolist())) <= {str, type(None)}:
            return array
        try:
            array = array.astype(np.float64)  # numbers, and null for NaN
        except (TypeError, ValueError):
            return None
    return array


def _written(name: str, array: Array) -> dict[str, Any]:
    is_number = array.dtype in NAMES
    flat = array.ravel()
    return {
        "name": name,
        "shape": list(array.shape),
        "datatype": NAMES[array.dtype] if is_number else "BYTES",
        "data": flat if is_number else [None if item is None else str(item) for item in flat.tolist()],
    }


def server(name: str, version: str) -> dict[str, Any]:
    return {"name": name, "version": version, "extensions": []}


def version_named(route: Route, rest: str) -> Target | None:
    """The target that a path names, such as /v2/models/<name>/versions/<version>/infer."""
    start = f"/v2/models/{route.name}/versions/"
    if not rest.startswith(start):
        return None
    version = rest[len(start) :].split("/")[0]
    return next((target for target in route.targets if version in _labels(target)), None)


def below_model(rest: str, name: str, target: Target) -> str | None:
    """What follows the model, or its version, in a path: "", "/infer", …; None for the path of another one."""
    model = f"/v2/models/{name}"
    for start in (*(f"{model}/versions/{label}" for label in _labels(target)), model):
        if rest == start or rest.startswith(start + "/"):
            return rest[len(start) :]
    return None


def _labels(target: Target) -> tuple[str, ...]:
    """A version as people write it (iris:3), and its number alone."""
    return target.version, target.version.rpartition(":")[2]


def metadata(route: Route, target: Target) -> dict[str, Any]:
    """What the model takes and answers: an input a feature where these have names, otherwise one of all features."""
    describe = target.describe
    width = describe.get("n_features") or -1
    names = describe.get("feature_names")
    example = (describe.get("example") or [None])[0]
    if names:
        cells = example if isinstance(example, list) and len(example) == len(names) else [0.0] * len(names)
        pairs = zip(names, cells, strict=True)
        inputs = [
            {"name": n, "datatype": "BYTES" if isinstance(c, str) else "FP64", "shape": [-1, 1]} for n, c in pairs
        ]
    elif describe.get("takes") in ("texts", "values"):
        kind = "BYTES" if isinstance(example, str) or describe["takes"] == "texts" else "FP64"
        inputs = [{"name": "input", "datatype": kind, "shape": [-1]}]
    else:
        texts = isinstance(example, list) and any(isinstance(cell, str) for cell in example)
        inputs = [{"name": "input", "datatype": "BYTES" if texts else "FP64", "shape": [-1, width]}]
    method = describe.get("default_method") or "predict"
    label = (describe.get("classes") or [0.0])[0]
    kind = {int: "INT64", float: "FP64", bool: "BOOL"}.get(type(label), "BYTES") if method == "predict" else "FP64"
    shape = [-1] if method == "predict" else [-1, -1]
    outputs = [{"name": method, "datatype": kind, "shape": shape}]
    versions = [target.version for target in route.targets]
    return {"name": route.name, "versions": versions, "platform": "sklearn", "inputs": inputs, "outputs": outputs}
