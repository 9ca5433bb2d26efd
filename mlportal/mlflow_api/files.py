"""The bytes of artifacts, piece by piece: none is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from django.utils.http import content_disposition_header

from mlportal.api.content import RANGE, bounds
from mlportal.blobs.services import Draft
from mlportal.mlflow_api import artifacts
from mlportal.mlflow_api.call import Call
from mlportal.mlflow_api.http import ClientGone, Receive, Send, read_query, send_bytes, send_json, start

CHUNK: Final = 1 << 20
InThread = Callable[..., Awaitable[Any]]
Way = Callable[[Call, str, Receive, Send, InThread], Awaitable[None]]


def way_of(method: str, rest: str, query: bytes) -> Way | None:
    """How the bytes go, for the addresses at which there are any."""
    if method == "PUT" and rest.startswith("artifacts/"):
        return _put
    if method == "PUT" and rest.startswith("mpu/part/"):
        return _put_part
    if method == "GET" and rest.startswith("artifacts/"):
        return _get
    if method == "GET" and rest == "artifacts":
        return _list_with(query)
    return None


def _list_with(query: bytes) -> Way:
    async def listed(call: Call, rest: str, receive: Receive, send: Send, in_thread: InThread) -> None:
        call = replace(call, given=read_query(query), is_query=True)
        await send_json(send, await in_thread(lambda: artifacts.list_folder(call)))

    return listed


async def _put(call: Call, rest: str, receive: Receive, send: Send, in_thread: InThread) -> None:
    call = replace(call, path=rest.removeprefix("artifacts/"))
    await in_thread(lambda: artifacts.check_upload(call))
    with artifacts.draft() as draft:
        await _read_into(draft, call, receive, in_thread)
        await send_json(send, await in_thread(lambda: artifacts.store(call, draft)))


async def _put_part(call: Call, rest: str, receive: Receive, send: Send, in_thread: InThread) -> None:
    call = replace(call, path=rest.removeprefix("mpu/"))
    await in_thread(lambda: artifacts.check_upload(call))
    with artifacts.draft() as draft:
        await _read_into(draft, call, receive, in_thread)
        digest = await in_thread(lambda: artifacts.store_part(call, draft))
    await send_bytes(send, b"", headers={"etag": f'"{digest}"'})


async def _read_into(draft: Draft, call: Call, receive: Receive, in_thread: InThread) -> None:
    announced = call.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:20]) > artifacts.limit():
        raise artifacts.too_large()
    waiting = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        waiting += message.get("body", b"")
        more = bool(message.get("more_body"))
        if len(waiting) >= CHUNK or not more:
            piece = bytes(waiting)
            await in_thread(lambda piece=piece: artifacts.write(draft, piece))
            waiting.clear()


async def _get(call: Call, rest: str, receive: Receive, send: Send, in_thread: InThread) -> None:
    call = replace(call, path=rest.removeprefix("artifacts/"))
    found = await in_thread(lambda: artifacts.find(call))
    etag = f'"{found.etag}"'
    first, end, status = 0, found.size, 200
    headers = {
        "content-type": "application/octet-stream",
        "content-disposition": content_disposition_header(True, _file_name(found.path)) or "attachment",
        "content-security-policy": "sandbox; default-src 'none'",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "private, no-cache",
        "accept-ranges": "bytes",
        "etag": etag,
    }
    wanted = RANGE.fullmatch(call.headers.get("range", "").strip())
    if wanted and wanted.group() != "bytes=-" and call.headers.get("if-range", etag) == etag:
        first, end = bounds(wanted.group(1), wanted.group(2), found.size)
        if first >= end:
            await send_bytes(send, b"", status=416, headers={**headers, "content-range": f"bytes */{found.size}"})
            return
        status, headers["content-range"] = 206, f"bytes {first}-{end - 1}/{found.size}"
    stream = await in_thread(lambda: artifacts.open_bytes(found))
    try:
        await in_thread(lambda: stream.seek(first))
        await start(send, status, {**headers, "content-length": str(end - first)})
        while first < end:
            piece = await in_thread(lambda left=end - first: stream.read(min(CHUNK, left)))
            if not piece:
                break
            first += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await in_thread(stream.close)


def _file_name(path: str) -> str:
    return "".join(letter if letter.isprintable() else "_" for letter in path.rpartition("/")[2]) or "file"
