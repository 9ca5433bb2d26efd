"""Refuses a body that is too large before it is read: Django spools a whole body to disk before any view is asked."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from mlportal.errors import TooLarge

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

SNAPSHOTS = re.compile(r"/api/v1/workspaces/[^/]+/snapshots/")
PART_BYTES = 1024  # a part's headers, its boundary and its path


def snapshot_limit() -> int:
    """Bytes of a request that hands over a snapshot as large as allowed, wrapped in a form."""
    return int(settings.SNAPSHOT_MAX_BYTES + PART_BYTES * settings.DATA_UPLOAD_MAX_NUMBER_FILES)


def snapshot_too_large() -> TooLarge:
    limit = settings.SNAPSHOT_MAX_BYTES
    return TooLarge(f"A snapshot has at most {limit} bytes (MLPORTAL_SNAPSHOT_MAX_BYTES).", limit=limit)


class BodyLimit:
    """ASGI: looks at Content-Length of uploads and answers 413; a body without a length is counted while it comes."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not SNAPSHOTS.fullmatch(scope["path"]):
            return await self.application(scope, receive, send)
        limit = snapshot_limit()
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            return await _refuse(send)
        counted = 0

        async def count() -> Message:
            nonlocal counted
            message = await receive()
            counted += len(message.get("body", b""))
            # What Django makes of a client that went away is right for one that sends without an end, too.
            return message if counted <= limit else {"type": "http.disconnect"}

        await self.application(scope, count, send)


async def _refuse(send: Send) -> None:
    error = snapshot_too_large()
    body = json.dumps(error.as_json()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
