"""Bodies in, answers out, over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from models_registry.serving.gateway import errors
from models_registry.serving.gateway.contracts import Limits
from models_registry.serving.gateway.formats import dumps

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON_TYPES = ("application/json", "text/json")
CSV_TYPES = ("text/csv", "application/csv")


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, whose body is JSON unless its headers say otherwise."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def header(scope: Scope, name: bytes) -> str | None:
    """The value of the first header of this (lower case) name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def body_is_csv(scope: Scope) -> bool:
    """Whether the body is CSV rather than JSON. Raises WrongContentType for anything else."""
    encoding = header(scope, b"content-encoding")
    if encoding not in (None, "", "identity"):
        raise errors.WrongContentType(f"A body with the content encoding {encoding} is not taken; send it as it is")
    kind = (header(scope, b"content-type") or JSON_TYPES[0]).partition(";")[0].strip().lower()
    if kind in CSV_TYPES:
        return True
    if kind in JSON_TYPES or (kind.startswith("application/") and kind.endswith("+json")):
        return False
    raise errors.WrongContentType(
        f"The body is {kind}; send it as application/json or text/csv, and say so in the Content-Type header",
        accepted=["application/json", "text/csv"],
    )


async def read_body(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as that is known, SlowBody, ClientGone."""
    too_large = errors.BodyTooLarge(
        f"The body has more than {limits.body_bytes} bytes (MLPORTAL_SERVICE_BODY)", limit=limits.body_bytes
    )
    announced = header(scope, b"content-length") or "0"
    if announced.isdigit() and int(announced[:20]) > limits.body_bytes:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limits.body_bytes:
                    raise too_large
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise errors.SlowBody(
            f"The body did not arrive within {limits.body_seconds:g} s (MLPORTAL_SERVICE_BODY_TIMEOUT)",
            limit=limits.body_seconds,
        ) from None


def error_answer(error: errors.GatewayError) -> Answer:
    body = {"error": {"code": error.code, "message": error.message, "details": error.details}}
    return Answer(error.status, dumps(body), dict(error.headers))


async def send_answer(send: Send, answer: Answer) -> None:
    headers = {
        "content-type": "application/json",
        "content-length": str(len(answer.body)),
        "x-content-type-options": "nosniff",
        **answer.headers,
    }
    pairs = [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": answer.body})
