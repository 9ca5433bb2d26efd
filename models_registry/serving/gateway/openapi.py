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
    "413": "The body is too large",
    "415": "The body is neither JSON nor CSV",
    "429": "Too many requests wait already",
    "500": "The model failed",
    "503": "No replica is ready",
    "504": "The model did not answer in time",
}


def document(route: Route, base: str) -> dict[str, Any]:
    """OpenAPI 3.1 of `route`, whose routes are below the path `base`."""
    describe = route.describe
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
    health = {"description": "Whether the service is there", "content": {"application/json": {}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": route.name,
            "version": route.version,
            "description": f"Predictions of a {describe.get('class', 'model')}.",
        },
        "servers": [{"url": base}],
        "security": [{"key": []}] if route.auth_enabled else [],
        "paths": {
            "/": {"get": {"operationId": "health", "security": [], "responses": {"200": health}}},
            "/score": {"post": _operation("score", score, score_example, results)},
            "/invocations": {"post": _operation("invocations", invocation, split_example, predictions)},
        },
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
