"""Requests to an entry script and its answers, as they are: what the script may see, and what it may make a browser do."""

from __future__ import annotations

from typing import Any

from models_registry.serving.gateway import errors
from models_registry.serving.gateway.http import Answer, Scope
from models_registry.serving.worker.protocol import Raw

# The caller's key, and the session of somebody who is signed in to the portal, are not the script's business.
KEPT_BACK = {b"authorization", b"cookie", b"proxy-authorization", b"x-csrftoken"}
PASSED_ON = {
    "content-type",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
    "last-modified",
    "retry-after",
}
# Services answer under the portal's own address: what a script sends must not act there in a reader's name.
SANDBOX = {"content-security-policy": "sandbox; default-src 'none'"}
WITHOUT_BODY = (204, 205, 304)


def request_of(scope: Scope, body: bytes) -> Raw:
    """The request as the model worker hands it to the script."""
    headers = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name not in KEPT_BACK
    }
    meta = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope.get("query_string", b"").decode("latin-1"),
        "headers": headers,
    }
    return Raw(meta, body)


def answer_of(answer: Any) -> Answer:
    """What the script answered. Raises ModelFailed for what is no answer."""
    if not isinstance(answer, Raw) or not isinstance(answer.meta, dict):
        raise errors.ModelFailed("The entry script gave no answer")
    status = answer.meta.get("status")
    if type(status) is not int or not 200 <= status < 600:
        raise errors.ModelFailed(f"The entry script answered with the status {str(status)[:20]}")
    headers = answer.meta.get("headers")
    passed = {
        name.lower(): value
        for name, value in (headers.items() if isinstance(headers, dict) else ())
        if isinstance(value, str) and _may_pass(name.lower()) and _is_printable(name + value)
    }
    return Answer(status, b"" if status in WITHOUT_BODY else answer.body, {**passed, **SANDBOX})


def _may_pass(name: str) -> bool:
    own = name.startswith("x-") and not name.startswith(("x-content-type", "x-frame", "x-request-id", "x-accel"))
    return name in PASSED_ON or own


def _is_printable(text: str) -> bool:
    return all(" " <= character <= "~" for character in text)
