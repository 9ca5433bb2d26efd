"""Opening files below a folder that a script controls: no symlink is followed, nothing but a regular file is opened.

Every component is opened relative to its parent with O_NOFOLLOW, so that swapping a folder for a symlink between
listing and opening leads nowhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO opens at once, and is then turned down.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotRegular(OSError):
    """The path does not lead to a regular file by plain folders alone."""


@dataclass(frozen=True, slots=True)
class Found:
    """A directory entry below the root of a walk: `problem` says why it cannot be taken; empty for a regular file."""

    parts: tuple[str, ...]
    size: int = 0
    links: int = 1
    owner: int = 0
    problem: str = ""


def open_regular(root: Path, parts: tuple[str, ...]) -> int:
    """A descriptor for reading the regular file `root/*parts`; the caller closes it.

    `root` itself is trusted. Raises NotRegular, and OSError as open(2) does.
    """
    if not parts or any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise NotRegular(f"not a plain relative path: {'/'.join(parts)!r}")
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(f"not a regular file: {'/'.join(parts)!r}")
    return descriptor


def walk(root: Path, parts: tuple[str, ...] = (), *, depth: int) -> Iterator[Found]:
    """Everything below `root/*parts` but folders, in the order of names, at most `depth` folders deep.

    `root` is trusted, `parts` is not. What is absent yields nothing; what cannot be taken is yielded with its problem.
    """
    try:
        folder = os.open(root, _FOLDER)
    except FileNotFoundError:
        return
    try:
        for index, part in enumerate(parts):
            try:
                inner = os.open(part, _FOLDER, dir_fd=folder)
            except FileNotFoundError:
                return
            except OSError as error:
                yield Found(parts[: index + 1], problem=_why(error))
                return
            os.close(folder)
            folder = inner
        yield from _walk(folder, parts, depth)
    finally:
        os.close(folder)


def _walk(folder: int, parts: tuple[str, ...], depth: int) -> Iterator[Found]:
    for name in sorted(os.listdir(folder)):
        path = (*parts, name)
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield Found(path, status.st_size, status.st_nlink, status.st_uid)
            elif not stat.S_ISDIR(status.st_mode):
                yield Found(path, problem=_kind(status.st_mode))
            elif depth <= 1:
                yield Found(path, problem="too many folders deep")
            else:
                inner = os.open(name, _FOLDER, dir_fd=folder)
                try:
                    yield from _walk(inner, path, depth - 1)
                finally:
                    os.close(inner)
        except OSError as error:
            yield Found(path, problem=_why(error))


_KINDS = {
    stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "named pipe (FIFO)",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "not a regular file")


def _why(error: OSError) -> str:
    return f"cannot be opened: {error.strerror}"
