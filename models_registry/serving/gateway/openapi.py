"""The OpenAPI of one service, written from what its model says of itself."""

from __future__ import annotations

from typing import Any

from models_registry.serving.gateway.contracts import Route

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
ERRORS = {
    "400": "The body is not what the model takes",
    "401": "The key is missing or wrong",
    "413": "The body is too large, or has too many rows",
    "415": "The body is neither JSON nor CSV",
    "429": "Too many requests wait already",
    "500": "The model failed",
    "503": "The service does not answer now; the code says why",
    "504": "The model did not answer in time",
}


def document(route: Route, base: str) -> dict[str, Any]:
    """OpenAPI 3.1 of `route`, whose routes are below the path `base`."""
    if route.main.has_script:
        return _document_of_script(route, base)
    describe = route.main.describe
    example = describe.get("example")
    names = describe.get("feature_names")
    width = describe.get("n_features")
    row: dict[str, Any] = {"type": "array", "items": CELL}
    if width:
        row |= {"minItems": width, "maxItems": width}
    rows = {"type": "array", "minItems": 1, "items": row}
    methods = list(describe.get("methods") or [])
    score = {
        "type": "object",
        "required": ["data"],
        "properties": {"data": rows, "method": {"type": "string", **({"enum": methods} if methods else {})}},
    }
    split = {
        "type": "object",
        "required": ["data"],
        "properties": {"columns": {"type": "array", "items": {"type": "string"}}, "data": rows},
    }
    invocation = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            "dataframe_split": split,
            "dataframe_records": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "inputs": {"oneOf": [rows, {"type": "object"}]},
            "instances": {"type": "array", "minItems": 1},
        },
    }
    score_example = {"data": example, "method": describe.get("default_method") or "predict"} if example else None
    split_example = {"dataframe_split": {**({"columns": names} if names else {}), "data": example}} if example else None
    results = {"description": "One result a row", "content": {"application/json": {"schema": {"type": "array"}}}}
    predictions = {
        "description": "One prediction a row",
        "content": {"application/json": {"schema": {"type": "object", "required": ["predictions"]}}},
    }
    return _whole(
        route,
        base,
        f"Predictions of a {describe.get('class', 'model')}.",
        {
            "/score": {"post": _operation("score", score, score_example, results)},
            "/invocations": {"post": _operation("invocations", invocation, split_example, predictions)},
        },
    )


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
        "paths": {"/": {"get": {"operationId": "health", "security": [], "responses": {"200": health}}}, **paths},
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(name: str, schema: dict[str, Any], example: Any, answer: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema, **({"example": example} if example else {})}
    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "operationId": name,
        "requestBody": {
            "required": True,
            "content": {"application/json": content, "text/csv": {"schema": {"type": "string"}}},
        },
        "responses": {"200": answer, **{code: {"description": t, "content": failure} for code, t in ERRORS.items()}},
    }
