"""Bytes that came out of a run or from a user, on their way to a browser that must not run them."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header, parse_etags
from rest_framework.request import Request

from mlportal.errors import PortalError

IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
CHUNK = 256 * 1024
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class FileBytes:
    """`length` bytes of a stream, read in threads: under ASGI Django would read a synchronous iterator whole into memory."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream = stream
        self._left = length

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        # Not thread-sensitive: the storage's reads wait for disks and networks, and know no database.
        chunk: bytes = await sync_to_async(self._stream.read, thread_sensitive=False)(min(CHUNK, self._left))
        if not chunk:
            raise StopAsyncIteration
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """Called by the response, also when the client left before the first byte."""
        self._stream.close()


class Pieces:
    """What an iterator gives, made in threads as `FileBytes` reads."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await sync_to_async(self._next, thread_sensitive=False)()
        if piece is None:
            raise StopAsyncIteration
        return piece

    def _next(self) -> bytes | None:
        return next(self._pieces, None)


def guard(response: HttpResponseBase) -> None:
    """Whatever the bytes say they are, no browser guesses, runs or embeds them."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-origin"


def attach(response: HttpResponseBase, path: str, *, attachment: bool) -> None:
    """Content-Disposition by RFC 6266 with the last part of the path as the file's name."""
    name = "".join(letter if letter.isprintable() else "_" for letter in path.rpartition("/")[2])
    response["Content-Disposition"] = content_disposition_header(attachment, name or "file") or "attachment"


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller has it already, by RFC 9110, 13.1.2: the comparison is a weak one."""
    shown = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in shown or etag.removeprefix("W/") in {one.removeprefix("W/") for one in shown}


def file_response(
    request: Request,
    stream: BinaryIO,
    *,
    size: int,
    digest: str,
    path: str,
    content_type: str | None = None,
    download: bool = False,
) -> HttpResponseBase:
    """The stored file, whole or the one range that was asked for; pictures are shown, anything else is a download."""
    image = IMAGES.get(_ending(path))
    etag = f'"{digest}"'
    start, end = 0, size
    wanted = request.headers.get("Range") if request.headers.get("If-Range", etag) == etag else None
    partial = (
        wanted is not None and (found := RANGE.fullmatch(wanted.strip())) is not None and found.group() != "bytes=-"
    )
    response: HttpResponseBase
    if partial and found is not None:
        start, end = bounds(found.group(1), found.group(2), size)
    if is_known(request, etag):
        stream.close()
        response = HttpResponse(status=304)
    elif partial and start >= end:
        stream.close()
        error = PortalError(
            f"The file has {size} bytes; the range begins behind them.", code="no_such_range", size=size
        )
        response = JsonResponse(error.as_json(), status=416)
        response["Content-Range"] = f"bytes */{size}"
    else:
        stream.seek(start)
        response = StreamingHttpResponse(FileBytes(stream, end - start), status=206 if partial else 200)
        response["Content-Length"] = str(end - start)
        if partial:
            response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        response["Content-Type"] = content_type or image or "application/octet-stream"
        attach(response, path, attachment=download or not (image or content_type))
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-cache"
    guard(response)
    return response


def bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """RFC 9110, 14.1.2: first byte to last byte, to the end, or the last so many; start >= end when nothing is there."""
    if not first:
        return max(0, size - int(last)), size
    end = min(size, int(last) + 1) if last else size
    return int(first), end


def _ending(path: str) -> str:
    name = path.rpartition("/")[2].lower()
    return name[name.rfind(".") :] if "." in name else ""
