"""A snapshot as a zip archive, made while it is sent: the same snapshot gives the same bytes."""

import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from .manifest import Manifest

_CHUNK: Final = 256 * 1024
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)  # the zip format's first moment; a snapshot knows none
_READABLE: Final = 0o100644 << 16


def zip_chunks(manifest: Manifest, open_blob: Callable[[str], BinaryIO]) -> Iterator[bytes]:
    """The bytes of the archive, a piece at a time; no file is ever whole in memory."""
    sent = _Pipe()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in manifest.entries:
            info = zipfile.ZipInfo(entry.name, _LONG_AGO)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _READABLE
            info.file_size = entry.size  # so that zipfile knows whether it needs the large format
            with open_blob(entry.sha256) as blob, archive.open(info, "w") as member:
                while chunk := blob.read(_CHUNK):
                    member.write(chunk)
                    yield from sent.take()
            yield from sent.take()
    yield from sent.take()


class _Pipe(io.RawIOBase):
    """Keeps what is written until it is taken; not seekable, so zipfile writes sizes behind the files."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def take(self) -> Iterator[bytes]:
        whole, self._waiting = b"".join(self._waiting), []
        if whole:
            yield whole
