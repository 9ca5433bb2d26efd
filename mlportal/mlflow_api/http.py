"""Bodies in, answers out, over ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from mlportal.mlflow_api.errors import invalid

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientGone(Exception):
    """It closed the connection before its request was whole."""


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def read_query(query: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise invalid("The query cannot be read.") from None


async def read_body(headers: Mapping[str, str], receive: Receive, limit: int) -> bytes:
    """The whole body; INVALID_PARAMETER_VALUE as soon as it is known to be too large."""
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced[:20]) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        parts.append(piece)
        if not message.get("more_body"):
            return b"".join(parts)


async def send_json(send: Send, shape: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
    await send_bytes(
        send, orjson.dumps(shape), status=status, headers={"content-type": "application/json", **(headers or {})}
    )


async def send_bytes(send: Send, body: bytes, *, status: int = 200, headers: Mapping[str, str]) -> None:
    await start(send, status, {**headers, "content-length": str(len(body))})
    await send({"type": "http.response.body", "body": body})


async def start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    pairs.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": status, "headers": pairs})


def _too_large(limit: int) -> Exception:
    return invalid(f"Requests here have at most {limit} bytes.")
