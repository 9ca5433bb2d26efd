"""Bodies in, answers out, over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from models_registry.serving.gateway import errors
from models_registry.serving.gateway.contracts import Limits
from models_registry.serving.gateway.formats import dumps
from models_registry.serving.gateway.patrol import ClientGone, Patrol, Waiting

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON_TYPES = ("application/json", "text/json")
CSV_TYPES = ("text/csv", "application/csv")
PIECE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, whose body is JSON unless its headers say otherwise."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Headers = Mapping[bytes, bytes]


def headers_of(scope: Scope) -> Headers:
    """The first header of each (lower case) name; made once for a request."""
    headers: Headers | None = scope.get("mlportal.headers")
    if headers is None:
        headers = scope["mlportal.headers"] = dict(scope["headers"][::-1])
    return headers


def header(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def body_is_csv(headers: Headers) -> bool:
    """Whether the body is CSV rather than JSON. Raises WrongContentType for anything else."""
    kind = header(headers, b"content-type") or JSON_TYPES[0]
    encoding = header(headers, b"content-encoding")
    if encoding is None and kind == JSON_TYPES[0]:
        return False
    if encoding not in (None, "", "identity"):
        raise errors.WrongContentType(f"A body with the content encoding {encoding} is not taken; send it as it is")
    kind = kind.partition(";")[0].strip().lower()
    if kind in CSV_TYPES:
        return True
    if kind in JSON_TYPES or (kind.startswith("application/") and kind.endswith("+json")):
        return False
    raise errors.WrongContentType(
        f"The body is {kind}; send it as application/json or text/csv, and say so in the Content-Type header",
        accepted=["application/json", "text/csv"],
    )


class Held:
    """Bytes of bodies, of all requests of all services: those that wait for their turn are kept in memory."""

    __slots__ = ("most", "size")

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0

    def take(self, size: int) -> None:
        """Raises TooManyRequests instead of taking more than `most`."""
        if self.size + size > self.most:
            raise errors.TooManyRequests(
                f"Requests with {self.most} bytes wait in this portal already (MLPORTAL_SERVICE_WAITING_BYTES)",
                limit=self.most,
            )
        self.size += size


class Reading(Waiting):
    """A body on its way."""

    __slots__ = ("is_late", "task")

    def __init__(self, since: float, deadline: float, task: asyncio.Task[Any] | None) -> None:
        super().__init__(since, deadline)
        self.task = task
        self.is_late = False

    def late(self) -> None:
        if self.task is not None and not self.is_late:
            self.is_late = True
            self.task.cancel()


def body_at_once(scope: Scope, limits: Limits, held: Held) -> bytes | None:
    """The body, where the server has all of it already, as it has most short ones; else None. Raises as `read_body`."""
    at_once = (scope.get("extensions") or {}).get("mlportal.body")
    body: bytes | None = None if at_once is None else at_once()
    if body is not None:
        if len(body) > limits.body_bytes:
            raise _too_large(limits)
        held.take(len(body))
    return body


async def read_body(headers: Headers, receive: Receive, limits: Limits, patrol: Patrol, held: Held) -> bytes:
    """The whole body, which the caller gives back to `held`. Raises BodyTooLarge as soon as that is known, SlowBody,
    TooManyRequests, ClientGone."""
    announced = header(headers, b"content-length") or "0"
    if announced.isdigit() and int(announced[:20]) > limits.body_bytes:
        raise _too_large(limits)
    now = asyncio.get_running_loop().time()
    reading = Reading(now, now + limits.body_seconds, asyncio.current_task())
    patrol.add(reading)
    parts: list[bytes] = []
    size = 0
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            if size + len(part) > limits.body_bytes:
                raise _too_large(limits)
            held.take(len(part))
            size += len(part)
            if not message.get("more_body"):
                return b"".join([*parts, part]) if parts else part
            parts.append(part)
    except BaseException as error:
        held.size -= size
        if reading.is_late and isinstance(error, asyncio.CancelledError) and reading.task is not None:
            reading.task.uncancel()
            raise errors.SlowBody(
                f"The body did not arrive within {limits.body_seconds:g} s (MLPORTAL_SERVICE_BODY_TIMEOUT)",
                limit=limits.body_seconds,
            ) from None
        raise
    finally:
        patrol.remove(reading)


def _too_large(limits: Limits) -> errors.BodyTooLarge:
    return errors.BodyTooLarge(
        f"The body has more than {limits.body_bytes} bytes (MLPORTAL_SERVICE_BODY)", limit=limits.body_bytes
    )


async def gone(receive: Receive) -> None:
    """Returns when the client has left. After the whole body, that is all there is to receive."""
    while (await receive())["type"] != "http.disconnect":
        pass


def error_answer(error: errors.GatewayError) -> Answer:
    body = {"error": {"code": error.code, "message": error.message, "details": error.details}}
    return Answer(error.status, dumps(body), dict(error.headers))


HEADERS = {
    "content-type": (b"content-type", b"application/json"),
    "x-content-type-options": (b"x-content-type-options", b"nosniff"),
}


PLAIN = "".join(f"{name}: {value.decode()}\r\n" for name, (_, value) in HEADERS.items())
OWN = HEADERS.keys() | {"content-length"}


def answered_at_once(scope: Scope, answer: Answer) -> bool:
    """Whether the server has taken a short answer that is JSON in one piece. Servers that are not the portal's have no
    such extension."""
    at_once = (scope.get("extensions") or {}).get("mlportal.answer")
    if at_once is None or answer.status != 200 or len(answer.body) > PIECE_BYTES or not OWN.isdisjoint(answer.headers):
        return False
    lines = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
    done: bool = at_once((PLAIN + lines).encode("latin-1"), answer.body)
    return done


async def send_answer(send: Send, answer: Answer) -> None:
    pairs = [(b"content-length", b"%d" % len(answer.body))]
    given = answer.headers
    pairs += [pair for name, pair in HEADERS.items() if name not in given]
    pairs += [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    if len(answer.body) <= PIECE_BYTES:
        await send({"type": "http.response.body", "body": answer.body})
        return
    for start in range(0, len(answer.body), PIECE_BYTES):  # no more is given to the server than the client takes
        end = start + PIECE_BYTES
        await send({"type": "http.response.body", "body": answer.body[start:end], "more_body": end < len(answer.body)})
