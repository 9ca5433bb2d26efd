"""Lays a snapshot out on a disk, verifying every byte."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from .manifest import Entry, Manifest

_CHUNK: Final = 1 << 20


class CorruptBlob(Exception):
    """A stored blob is not what its digest says."""

    def __init__(self, name: str, sha256: str, why: str) -> None:
        super().__init__(f"the stored content of {name!r} ({sha256[:12]}…) is damaged: {why}")
        self.name = name
        self.sha256 = sha256


def write_to(manifest: Manifest, directory: Path, open_blob: Callable[[str], BinaryIO], *, mode: int = 0o600) -> None:
    """Create ``directory`` (its parent exists, it does not) and lay the files of ``manifest`` out in it.

    Folders are 0700, files have ``mode``. Raises ``FileExistsError`` if the directory is there already and
    :class:`CorruptBlob` for a blob whose size or digest is wrong; a directory that could not be completed is removed.
    """
    directory.mkdir(mode=0o700)
    try:
        made = {directory}
        for entry in manifest.entries:
            target = directory / entry.name
            _make_folders(target.parent, made)
            with open_blob(entry.sha256) as blob:
                _copy(entry, blob, target, mode)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _make_folders(folder: Path, made: set[Path]) -> None:
    if folder not in made:
        _make_folders(folder.parent, made)
        # Not parents=True: that gives the parents the umask's mode.
        folder.mkdir(mode=0o700)
        made.add(folder)


def _copy(entry: Entry, blob: BinaryIO, target: Path, mode: int) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    digest, size = hashlib.sha256(), 0
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        while chunk := blob.read(_CHUNK):
            size += len(chunk)
            if size > entry.size:
                raise CorruptBlob(entry.name, entry.sha256, f"longer than its {entry.size} bytes")
            digest.update(chunk)
            _write_all(file.fileno(), chunk)
    if size != entry.size:
        raise CorruptBlob(entry.name, entry.sha256, f"{size} bytes instead of {entry.size}")
    if digest.hexdigest() != entry.sha256:
        raise CorruptBlob(entry.name, entry.sha256, "its digest is another")


def _write_all(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
