"""Refuses a body that is too large before it is read: Django spools a whole body to disk before any view is asked.

Three limits, by who asks and where:

- Whoever shows no key and no session that the portal knows may send `STRANGER_BYTES`, which is plenty for the form that
  signs in, and stays in memory. A made-up token or cookie is nobody's: it is looked up before more is read.
- Anybody known may send what a page's form or JSON holds (`DATA_UPLOAD_MAX_MEMORY_SIZE`).
- Three addresses take more: a snapshot, files from a client, and a request to a service.
"""

import io
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import connection

from mlportal.access.authentication import who_asks
from mlportal.errors import NotSignedIn, PortalError, TooLarge
from mlportal.version import VERSION

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

SNAPSHOTS = re.compile(r"/api/v1/workspaces/[^/]+/snapshots/")
BLOBS = re.compile(r"/api/v1/workspaces/[^/]+/blobs/")
SCORE = re.compile(r"/api/v1/workspaces/[^/]+/deployments/[^/]+/score/")
STRANGER_BYTES = 65_536
PART_BYTES = 1024  # a part's headers, its boundary and its path


def snapshot_limit() -> int:
    """Bytes of a request that hands over a snapshot as large as allowed, wrapped in a form."""
    return int(settings.SNAPSHOT_MAX_BYTES + PART_BYTES * settings.DATA_UPLOAD_MAX_NUMBER_FILES)


def snapshot_too_large() -> TooLarge:
    limit = settings.SNAPSHOT_MAX_BYTES
    return TooLarge(f"A snapshot has at most {limit} bytes (MLPORTAL_SNAPSHOT_MAX_BYTES).", limit=limit)


def upload_limit() -> int:
    """Bytes of a request that uploads files from a client, each wrapped in a part of a form."""
    return int(settings.UPLOAD_MAX_BYTES + PART_BYTES * settings.DATA_UPLOAD_MAX_NUMBER_FILES)


def upload_too_large() -> TooLarge:
    limit = settings.UPLOAD_MAX_BYTES
    return TooLarge(f"An upload has at most {limit} bytes (MLPORTAL_UPLOAD_MAX_BYTES).", limit=limit)


class BodyLimit:
    """ASGI: looks at Content-Length and answers 413, or 401 to whom a key would help.

    A body without a length is counted while it comes.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        limit, too_large = _limit_of(scope["path"])
        announced = dict(scope["headers"]).get(b"content-length", b"")
        length = int(announced[:20]) if announced.isdigit() else 0
        if length > limit:
            return await _refuse(too_large, send)
        known = length > STRANGER_BYTES and await _is_known(scope)
        if length > STRANGER_BYTES and not known:
            return await _refuse(_sign_in(), send)
        counted = 0
        refused: PortalError | None = None

        async def count() -> Message:
            nonlocal counted, known, refused
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > limit:
                refused = too_large
            elif counted > STRANGER_BYTES and not known:
                known = await _is_known(scope)
                refused = None if known else _sign_in()
            # Django drops what it has of a client that went away, which is right for one that sends too much, too.
            return {"type": "http.disconnect"} if refused else message

        await self.application(scope, count, send)
        if refused:  # Django has dropped the request and said nothing: it reads all before it answers
            await _refuse(refused, send)


async def _is_known(scope: Message) -> bool:
    """Whether the key or the session is somebody's; what they may do is for the view to say."""

    shown = [(name, text) for name, text in scope["headers"] if name in (b"authorization", b"cookie")]
    request = ASGIRequest({"method": "GET", "path": "/", "headers": shown}, io.BytesIO())

    def look() -> bool:
        try:
            return who_asks(request) is not None
        finally:
            connection.close()  # of a thread that no request looks after

    return await sync_to_async(look, thread_sensitive=False)()


def _sign_in() -> NotSignedIn:
    return NotSignedIn(
        f"Sign in, or send an API token that is in use: without, a request has at most {STRANGER_BYTES} bytes.",
        limit=STRANGER_BYTES,
    )


def _limit_of(path: str) -> tuple[int, TooLarge]:
    if SNAPSHOTS.fullmatch(path):
        return snapshot_limit(), snapshot_too_large()
    if BLOBS.fullmatch(path):
        return upload_limit(), upload_too_large()
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
        (b"x-mlportal-version", VERSION.encode()),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="mlportal"'))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
