"""Refuses a body that is too large before it is read: Django spools a whole body to disk before any view is asked."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.http import parse_cookie

from mlportal.errors import NotSignedIn, PortalError, TooLarge

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

SNAPSHOTS = re.compile(r"/api/v1/workspaces/[^/]+/snapshots/")
SCORE = re.compile(r"/api/v1/workspaces/[^/]+/deployments/[^/]+/score/")
PART_BYTES = 1024  # a part's headers, its boundary and its path


def snapshot_limit() -> int:
    """Bytes of a request that hands over a snapshot as large as allowed, wrapped in a form."""
    return int(settings.SNAPSHOT_MAX_BYTES + PART_BYTES * settings.DATA_UPLOAD_MAX_NUMBER_FILES)


def snapshot_too_large() -> TooLarge:
    limit = settings.SNAPSHOT_MAX_BYTES
    return TooLarge(f"A snapshot has at most {limit} bytes (MLPORTAL_SNAPSHOT_MAX_BYTES).", limit=limit)


class BodyLimit:
    """ASGI: looks at Content-Length and answers 413; a body without a length is counted while it comes.

    Only two addresses take more than a form of a page does, and only from somebody who shows some key or session.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        headers = dict(scope["headers"])
        limit, too_large = _limit_of(scope["path"])
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > limit:
            return await _refuse(too_large, send)
        if limit > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and not _shows_who(headers):
            return await _refuse(NotSignedIn("Sign in, or send an API token."), send)
        counted = 0

        async def count() -> Message:
            nonlocal counted
            message = await receive()
            counted += len(message.get("body", b""))
            # Django drops what it has of a client that went away, which is right for one that sends too much, too.
            return message if counted <= limit else {"type": "http.disconnect"}

        await self.application(scope, count, send)
        if counted > limit:  # Django has dropped the request and said nothing: it reads all before it answers
            await _refuse(too_large, send)


def _shows_who(headers: MutableMapping[bytes, bytes]) -> bool:
    """Whether there is a key or a session, which the view will look at."""
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    return b"authorization" in headers or settings.SESSION_COOKIE_NAME in cookies


def _limit_of(path: str) -> tuple[int, TooLarge]:
    if SNAPSHOTS.fullmatch(path):
        return snapshot_limit(), snapshot_too_large()
    if SCORE.fullmatch(path):
        limit = settings.SERVICE_BODY_BYTES
        return limit, TooLarge(f"A request has at most {limit} bytes (MLPORTAL_SERVICE_BODY).", limit=limit)
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return limit, TooLarge(f"A request has at most {limit} bytes here (DATA_UPLOAD_MAX_MEMORY_SIZE).", limit=limit)


async def _refuse(error: PortalError, send: Send) -> None:
    body = json.dumps(error.as_json()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
