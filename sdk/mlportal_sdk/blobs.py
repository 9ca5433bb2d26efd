"""Bytes on their way to the portal: named by their SHA-256 first, and only what the portal lacks is sent."""

import hashlib
import os
from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional

from mlportal_sdk import errors
from mlportal_sdk.http import Body

BATCH_FILES = 500
BATCH_BYTES = 32 * 1024 * 1024
CHUNK = 1024 * 1024

Progress = Callable[[int, int], None]  # (bytes sent so far, bytes to send)


class Source(NamedTuple):
    """One file to send: what it is called in messages, its digest and size, and what opens it for reading."""

    path: str
    sha256: str
    size: int
    open: Callable[[], BinaryIO]


def of_file(path: str, name: Optional[str] = None) -> Source:
    """A file of this machine, read once for its digest."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as file:
        while True:
            chunk = file.read(CHUNK)
            if not chunk:
                break
            digest.update(chunk)
            size += len(chunk)
    return Source(name or os.path.basename(path), digest.hexdigest(), size, lambda: open(path, "rb"))


def of_bytes(content: bytes, name: str) -> Source:
    from io import BytesIO

    return Source(name, hashlib.sha256(content).hexdigest(), len(content), lambda: BytesIO(content))


def entries_of(sources: Iterable[Source]) -> List[Dict[str, Any]]:
    """How the API names files: [{"path", "sha256", "size"}]."""
    return [{"path": source.path, "sha256": source.sha256, "size": source.size} for source in sources]


def upload(scope: Any, files: Iterable[Source], missing: Iterable[str], progress: Optional[Progress] = None) -> None:
    """Send those of the files whose digest is in `missing`, each content once.

    Raises FileChanged when a file is no longer what it was when its digest was taken.
    """
    wanted = set(missing)
    chosen: Dict[str, Source] = {}
    for found in files:
        source = Source(*found)
        if source.sha256 in wanted:
            chosen.setdefault(source.sha256, source)
    if wanted - set(chosen):
        raise errors.FileChanged("The portal asks for bytes that nobody named: {}".format(min(wanted - set(chosen))))
    total = sum(source.size for source in chosen.values())
    done = 0

    def tell(sent: int) -> None:
        if progress:
            progress(min(done + sent, total), total)

    for batch in _batches(chosen.values()):
        form = Form(batch, tell)
        answer = scope.raw(
            "POST", "blobs/", body=Body(form.length, form.chunks, form.content_type), repeatable=True, whole=True
        )
        _compare(batch, answer.content)
        done += sum(source.size for source in batch)
        tell(0)


def name_files(
    scope: Any, path: str, body: Dict[str, Any], files: Iterable[Source], progress: Optional[Progress] = None
) -> Any:
    """POST a body that names files; when the portal lacks some, send these and post again. The decoded answer."""
    files = [Source(*found) for found in files]
    for _ in range(3):  # what was there may be swept between two of them
        try:
            return scope.post(path, body)
        except errors.Conflict as error:
            if error.code != "blobs_missing":
                raise
            upload(scope, files, error.details.get("missing", ()), progress)
    return scope.post(path, body)


class Form:
    """multipart/form-data with a part `files` for each source, made while it is sent: nothing is held in memory."""

    def __init__(self, sources: List[Source], sent: Callable[[int], Any] = lambda count: None) -> None:
        boundary = os.urandom(16).hex()
        self.content_type = "multipart/form-data; boundary=" + boundary
        head = '--{}\r\nContent-Disposition: form-data; name="files"; filename="file"\r\n'.format(boundary)
        self._head = (head + "Content-Type: application/octet-stream\r\n\r\n").encode("ascii")
        self._end = "--{}--\r\n".format(boundary).encode("ascii")
        self._sources, self._sent = sources, sent
        self.length = sum(len(self._head) + source.size + 2 for source in sources) + len(self._end)

    def chunks(self) -> Iterator[bytes]:
        """Small files travel together: a write for each of 500 would cost more than their bytes."""
        waiting: List[bytes] = []
        length = count = 0
        for source in self._sources:
            for piece in self._part(source):
                waiting.append(piece)
                length += len(piece)
                if length >= CHUNK:
                    yield b"".join(waiting)
                    count += length
                    self._sent(count)
                    waiting, length = [], 0
        yield b"".join(waiting) + self._end

    def _part(self, source: Source) -> Iterator[bytes]:
        yield self._head
        left = source.size
        try:
            with source.open() as file:
                while left:
                    piece = file.read(min(CHUNK, left))
                    if not piece:
                        raise errors.FileChanged("{} became shorter while it was uploaded.".format(source.path))
                    left -= len(piece)
                    yield piece
        except OSError as error:  # not to be taken for an error of the connection
            raise errors.FileChanged("{} cannot be read any more: {}".format(source.path, error.strerror)) from None
        yield b"\r\n"


def _batches(sources: Iterable[Source]) -> Iterator[List[Source]]:
    batch: List[Source] = []
    size = 0
    for source in sources:
        if batch and (len(batch) == BATCH_FILES or size + source.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(source)
        size += source.size
    if batch:
        yield batch


def _compare(batch: List[Source], content: bytes) -> None:
    import json

    stored = json.loads(content.decode("utf-8"))["blobs"]
    if len(stored) != len(batch):
        raise errors.FileChanged("{} files were sent, {} arrived.".format(len(batch), len(stored)))
    for source, blob in zip(batch, stored):  # noqa: B905  (Python 3.10 brought it)
        if blob["sha256"] != source.sha256:
            raise errors.FileChanged(
                "{} changed while it was uploaded, or was damaged on its way; try again.".format(source.path)
            )
