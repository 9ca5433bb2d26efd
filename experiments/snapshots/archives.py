"""Takes a zip archive that anybody may have made."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, Final, cast

from .intake import Candidate, Intake, Limits, Put, gather
from .names import clean_name
from .refusals import NameRefused, SnapshotRefused

# Others hide the size of what they unpack to: LZMA asks for a dictionary of up to 4 GB, a bzip2 block comes whole.
_METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_MASKED_OR_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000  # APPNOTE 4.4.4
_MAX_DIRECTORY_BYTES: Final = 8 * 1024 * 1024
_END_OF_DIRECTORY: Final = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_SIZE: Final = 20


def take_zip(stream: BinaryIO, *, limits: Limits | None = None, put: Put, strip_top: bool = True) -> Intake:
    """Take the files of a zip archive; ``stream`` is seekable and belongs to the caller.

    With ``strip_top``, the one folder that holds everything is cut off. Raises :class:`SnapshotRefused` naming the
    entry: links, devices, encrypted files, names that lead out, names equal but for case, and what grows past a limit.
    """
    _refuse_large_directory(stream)
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise SnapshotRefused("", f"the archive cannot be read: {error}") from error
    with archive:
        candidates: list[Candidate] = []
        folders: list[str] = []
        for info in archive.infolist():
            raw = info.orig_filename  # ZipInfo.filename ends at a NUL
            name = _clean(raw)
            _check(raw, info)
            if raw.endswith("/"):
                folders.append(name)
            else:
                candidates.append(Candidate(raw, name, info.file_size, _opener(archive, info), info.compress_size))
        return gather(candidates, limits or Limits(), put, strip_top=strip_top, folders=folders)


def _clean(raw: str) -> str:
    try:
        return clean_name(raw.removesuffix("/"))
    except NameRefused as refused:
        raise NameRefused(raw, refused.why) from None


def _check(raw: str, info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise SnapshotRefused(raw, "the entry is a symbolic link")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise SnapshotRefused(raw, "the entry is a device, a pipe or a socket; only files are taken")
    if info.flag_bits & _MASKED_OR_ENCRYPTED:
        raise SnapshotRefused(raw, "the entry is encrypted")
    if info.compress_type not in _METHODS:
        raise SnapshotRefused(raw, "the entry is compressed in another way than deflate")


def _refuse_large_directory(stream: BinaryIO) -> None:
    """Look at the size of the table of contents before ``zipfile`` reads it whole (some 500 bytes per entry)."""
    size = stream.seek(0, 2)
    start = max(0, size - (1 << 16) - _END_OF_DIRECTORY.size - _ZIP64_LOCATOR_SIZE)
    stream.seek(start)
    tail = stream.read()
    stream.seek(0)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END_OF_DIRECTORY.size:
        raise SnapshotRefused("", "the archive cannot be read: it is not a whole zip file")
    directory_bytes, directory_start = _END_OF_DIRECTORY.unpack_from(tail, at)[5:7]
    is_zip64 = tail[max(0, at - _ZIP64_LOCATOR_SIZE) : at].startswith(b"PK\6\7")
    if is_zip64 or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise SnapshotRefused("", "the archive lists too many entries", _MAX_DIRECTORY_BYTES)
    if directory_start + directory_bytes > start + at:
        raise SnapshotRefused("", "the archive cannot be read: its table of contents lies outside of it")


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], AbstractContextManager[BinaryIO]]:
    @contextmanager
    def opened() -> Iterator[BinaryIO]:
        with _named(info):
            member = archive.open(info)
        with member:
            yield cast("BinaryIO", _Member(member, info))

    return opened


class _Member:
    """The stream of one entry, whose damage is reported by the entry's name (and apart from errors of the store)."""

    def __init__(self, stream: object, info: zipfile.ZipInfo) -> None:
        self._stream = cast("BinaryIO", stream)
        self._info = info

    def read(self, size: int = -1) -> bytes:
        with _named(self._info):
            return self._stream.read(size)


@contextmanager
def _named(info: zipfile.ZipInfo) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        struct.error,
    ) as error:
        raise SnapshotRefused(info.orig_filename, f"the entry cannot be read: {error}") from error
