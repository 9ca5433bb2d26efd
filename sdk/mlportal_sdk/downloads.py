"""Downloads that go on where they were cut off: into `<target>.part`, verified, then renamed."""

import hashlib
import os
import time
from typing import Any, Dict, Optional

from mlportal_sdk import errors
from mlportal_sdk.blobs import CHUNK, Progress
from mlportal_sdk.http import pause

TRIES = 8  # one after the other without a single new byte


def download(
    scope: Any,
    path: str,
    target: str,
    size: Optional[int] = None,
    sha256: Optional[str] = None,
    progress: Optional[Progress] = None,
    query: Optional[Dict[str, Any]] = None,
) -> str:
    """The bytes of an address as a file; the target's path.

    A target that has the digest already is left as it is. What an earlier download left is gone on with where `sha256`
    tells that it is the same file; else it begins anew. Raises OSError as writing does, FileChanged for other bytes
    than `size` and `sha256` say.
    """
    if sha256 and os.path.isfile(target) and digest_of(target) == sha256:
        return target
    part = target + ".part"
    folder = os.path.dirname(os.path.abspath(target))
    os.makedirs(folder, exist_ok=True)
    if not sha256 and os.path.exists(part):
        os.unlink(part)
    for last in (False, True):
        _fetch(scope, path, part, size, '"{}"'.format(sha256) if sha256 else None, progress, query)
        wrong = (size is not None and os.path.getsize(part) != size) or (sha256 and digest_of(part) != sha256)
        if not wrong:
            os.replace(part, target)
            return target
        os.unlink(part)  # what an earlier download left may have been another file's
        if last:
            raise errors.FileChanged("{} did not arrive as the portal has it; try again.".format(target))
    raise AssertionError("not reached")


def digest_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while True:
            chunk = file.read(CHUNK)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)


def _fetch(
    scope: Any,
    path: str,
    part: str,
    size: Optional[int],
    etag: Optional[str],
    progress: Optional[Progress],
    query: Optional[Dict[str, Any]],
) -> None:
    failed = 0
    while True:
        begun = os.path.getsize(part) if os.path.exists(part) else 0
        if size is not None and begun == size and (begun or etag):
            open(part, "ab").close()
            return
        headers = {"Accept-Encoding": "identity"}
        if begun and etag:
            headers.update({"Range": "bytes={}-".format(begun), "If-Range": etag})
        answer = scope.raw("GET", path, query=query, headers=headers)
        if answer.status == 416:  # nothing comes after what is there; whether that is right, the digest tells
            answer.close()
            return
        goes_on = answer.status == 206
        etag = answer.headers.get("ETag") or etag
        length = answer.headers.get("Content-Length")
        at = begun if goes_on else 0
        total = at + int(length) if length else size or 0
        before = at
        try:
            with open(part, "ab" if goes_on else "wb") as file:
                for piece in answer.chunks():
                    file.write(piece)
                    at += len(piece)
                    if progress:
                        progress(at, max(total, at))
            return
        except errors.Unreachable:
            failed = 1 if at > before else failed + 1
            if failed >= TRIES or not etag:
                raise
            time.sleep(pause(failed))
        finally:
            answer.close()
