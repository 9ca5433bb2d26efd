"""The OpenAPI of one service, written from what its model says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models_registry.serving.gateway.contracts import Route
from models_registry.serving.gateway.open_inference import TYPES

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}
CELL = {"type": ["number", "string", "boolean", "null"]}
# What a row is, for models that take no table (see `takes` in worker/description.py).
ROWS: dict[str, dict[str, Any]] = {
    "texts": {"type": "string"},
    "values": {},
    "objects": {"type": "object"},
    "lists": {"type": "array"},
    "images": {"type": "array", "items": {"type": "array"}},
}
ERRORS = {
    "400": "The body is not what the model takes",
    "401": "The key is missing or wrong",
    "408": "The body did not arrive in time",
    "413": "The body is too large, or has too many rows",
    "415": "The body is neither JSON nor CSV",
    "429": "Too many requests wait already",
    "500": "The model failed",
    "503": "The service does not answer now; the code says why",
    "504": "The model did not answer in time",
    "507": "The request needs more memory than the service has",
}


PREDICTIONS = {
    "description": "One prediction a row",
    "content": {"application/json": {"schema": {"type": "object", "required": ["predictions"]}}},
}
FAILURE = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def document(route: Route, base: str) -> dict[str, Any]:
    """OpenAPI 3.1 of `route`, whose routes are below the path `base`."""
    if route.main.has_script:
        return _document_of_script(route, base)
    describe = route.main.describe
    rows = {"type": "array", "minItems": 1, "items": _row(describe)}
    example = describe.get("example")
    names = describe.get("feature_names")
    first = describe.get("default_method") or "predict"
    score_example = {"data": example, "method": first} if example else None
    split = {"columns": names, "data": example} if names else {"data": example}
    asked = {"dataframe_split": split} if describe.get("takes", "cells") == "cells" else {"instances": example}
    results = {"description": "One result a row", "content": {"application/json": {"schema": {"type": "array"}}}}
    return _whole(
        route,
        base,
        f"Predictions of a {describe.get('class', 'model')}.",
        {
            "/score": {"post": _operation("score", _score(rows, describe), score_example, results)},
            "/invocations": {
                "post": _operation("invocations", _invocation(rows, describe), asked if example else None, PREDICTIONS)
            },
            **_open_inference(route, example, describe),
        },
    )


def _row(describe: Mapping[str, Any]) -> dict[str, Any]:
    if describe.get("takes") in ROWS:
        return ROWS[describe["takes"]]
    width, names = describe.get("n_features"), describe.get("feature_names")
    row: dict[str, Any] = {"type": "array", "items": CELL}
    if width:
        row |= {"minItems": width, "maxItems": width}
    if not names:
        return row
    named = {"type": "object", "required": names, "properties": dict.fromkeys(names, CELL)}
    return {"oneOf": [row, named | {"additionalProperties": False}]}


def _further(describe: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a body beside its rows: the method, and its further arguments where some method has any."""
    methods = list(describe.get("methods") or [])
    arguments = sorted({name for names in (describe.get("params") or {}).values() for name in names})
    params = {"type": "object", "properties": {name: {} for name in arguments}, "additionalProperties": False}
    return {
        "method": {"type": "string", **({"enum": methods} if methods else {})},
        **({"params": params} if arguments else {}),
    }


def _score(rows: dict[str, Any], describe: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["data"], "properties": {"data": rows, **_further(describe)}}


def _invocation(rows: dict[str, Any], describe: Mapping[str, Any]) -> dict[str, Any]:
    split = {
        "type": "object",
        "required": ["data"],
        "properties": {"columns": {"type": "array", "items": {"type": "string"}}, "data": rows},
    }
    shapes = {
        "dataframe_split": split,
        "dataframe_records": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        "inputs": {"oneOf": [rows, {"type": "object"}]},
        "instances": rows,
    }
    return {
        "type": "object",
        "oneOf": [{"required": [name]} for name in shapes],
        "properties": {**shapes, **_further(describe)},
    }


def _open_inference(route: Route, example: Any, describe: Mapping[str, Any]) -> dict[str, Any]:
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
            "datatype": {"enum": list(TYPES)},
            "data": {"type": "array"},
        },
    }
    body = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "minItems": 1, "items": tensor},
            "parameters": {"type": "object"},
        },
    }
    outputs = {"type": "array", "items": tensor}
    answer = {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {"outputs": outputs},
    }
    content = {"application/json": {"schema": answer}}
    post = _operation("infer", body, _tensors(example, describe), {"description": "Tensors", "content": content})
    del post["requestBody"]["content"]["text/csv"]
    model = f"/v2/models/{route.name}"
    about = {"description": "What the model takes and answers", "content": {"application/json": {}}}
    refused = {"description": ERRORS["401"], "content": FAILURE}
    metadata = {"operationId": "metadata", "responses": {"200": about, "401": refused}}
    ready = {"description": "The next request will be answered", "content": {"application/json": {}}}
    away = {"description": ERRORS["503"], "content": FAILURE}
    probe = {"operationId": "ready", "security": [], "responses": {"200": ready, "503": away}}
    return {
        f"{model}/infer": {"post": post},
        model: {"get": metadata},
        "/v2/health/ready": {"get": probe},
        "/ping": {"get": {**probe, "operationId": "ping"}},
    }


def _tensors(example: Any, describe: Mapping[str, Any]) -> Any:
    """The example as tensors, or None where its rows are none."""
    row = (example or [None])[0]
    names = describe.get("feature_names")
    if isinstance(row, str):
        return {"inputs": [{"name": "input", "shape": [1], "datatype": "BYTES", "data": [row]}]}
    if not isinstance(row, list) or not all(cell is None or isinstance(cell, (str, int, float)) for cell in row):
        return None
    texts = any(isinstance(cell, str) for cell in row)
    if names and len(names) == len(row):
        kinds = ["BYTES" if isinstance(cell, str) else "FP64" for cell in row]
        parts = zip(names, kinds, row, strict=True)
        return {"inputs": [{"name": n, "shape": [1, 1], "datatype": kind, "data": [cell]} for n, kind, cell in parts]}
    if texts and not all(isinstance(cell, str) for cell in row):
        return None
    tensor = {"name": "input", "shape": [1, len(row)], "datatype": "BYTES" if texts else "FP64", "data": row}
    return {"inputs": [tensor]}


def _document_of_script(route: Route, base: str) -> dict[str, Any]:
    """As inference-schema's decorators say; without them a body may be anything."""
    schema = route.main.describe.get("schema") or {}
    result: dict[str, Any] = {"application/json": {"schema": schema.get("output") or {}}}
    post = _operation("score", schema.get("input") or {}, route.main.describe.get("sample"), _answer_with(result))
    if not schema:
        post["requestBody"]["content"] = {"*/*": {"schema": {}}}
    else:
        del post["requestBody"]["content"]["text/csv"]
    about = f"What {route.main.describe.get('class', 'the entry script')} answers."
    return _whole(route, base, about, {"/score": {"post": post}})


def _answer_with(content: dict[str, Any]) -> dict[str, Any]:
    return {"description": "What run returned", "content": content}


def _whole(route: Route, base: str, about: str, paths: dict[str, Any]) -> dict[str, Any]:
    health = {"description": "Whether the service is there", "content": {"application/json": {}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": route.name, "version": route.main.version, "description": about},
        "servers": [{"url": base}],
        "security": [{"key": []}] if route.auth_enabled else [],
        "paths": {
            "/": {
                "get": {"operationId": "health", "security": [], "responses": {"200": health}},
                "post": {**paths["/score"]["post"], "operationId": "scoreHere"},
            },
            **paths,
        },
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(name: str, schema: dict[str, Any], example: Any, answer: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema, **({"example": example} if example else {})}
    return {
        "operationId": name,
        "requestBody": {
            "required": True,
            "content": {"application/json": content, "text/csv": {"schema": {"type": "string"}}},
        },
        "responses": {"200": answer, **{code: {"description": t, "content": FAILURE} for code, t in ERRORS.items()}},
    }
