"""What a finished run leaves to be stored: its artifacts, by name, and what was left out and why."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from experiments.runner import beneath
from experiments.runner.layout import OUTPUTS, STD_LOG, UPLOADS, WORK_LOGS

STD_LOG_NAME = "user_logs/std_log.txt"
MAX_DEPTH = 64
MAX_NAME = 1024
PARTIAL_UPLOAD = ".partial-"  # the SDK gives an upload its name when it is whole


class Skipped(NamedTuple):
    """A file that is not stored. `name` is printable text, whatever the file was called."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A regular file to store as the artifact `name`; `size` in bytes when it was listed.

    `path` is for messages: read the content through `open()`, which follows no symlink.
    """

    name: str
    path: Path
    size: int
    _root: Path
    _parts: tuple[str, ...]

    def open(self) -> BinaryIO:
        """The content. OSError when the file has been replaced by something else since."""
        return open(beneath.open_regular(self._root, self._parts), "rb")


def walk_outputs(
    run_dir: Path, *, max_files: int = 100_000, max_bytes: int | None = None
) -> tuple[Iterator[OutputFile], list[Skipped]]:
    """The files of a run to store, and those left out; the list fills while the iterator is consumed.

    Names: `user_logs/std_log.txt` (what the script printed), uploads/** as handed over by name, work/outputs/** as
    `outputs/…`, work/logs/** as `logs/…`. The first to claim a name keeps it, in that order. Files beyond `max_files`,
    or that would exceed `max_bytes` altogether, are left out (the number of entries in the list is bounded too).
    """
    skipped: list[Skipped] = []
    return _walk(run_dir, skipped, max_files, max_bytes), skipped


def _split(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


# (folder in the run directory, prefix of the names), the strongest claim to a name first
_SOURCES = (
    (_split(STD_LOG)[:-1], _split(STD_LOG_NAME)[:-1]),
    (_split(UPLOADS), ()),
    (_split(OUTPUTS), ("outputs",)),
    (_split(WORK_LOGS), ("logs",)),
)


def _walk(run_dir: Path, skipped: list[Skipped], max_files: int, max_bytes: int | None) -> Iterator[OutputFile]:
    owners = {run_dir.stat().st_uid}
    with contextlib.suppress(FileNotFoundError):  # the script may have removed its own folder
        owners.add(os.lstat(run_dir / "work").st_uid)
    names: set[str] = set()
    total = unlisted = 0
    for found, name in _named(run_dir):
        why = _refusal(found, name, owners)
        if not why and name in names:
            why = "stored already: a file of the same name was uploaded by the script"
        if not why and len(names) >= max_files:
            why = f"more than {max_files} files"
        if not why and max_bytes is not None and total + found.size > max_bytes:
            why = f"the limit of {max_bytes} bytes for all files together"
        if not why:
            names.add(name)
            total += found.size
            yield OutputFile(name, run_dir.joinpath(*found.parts), found.size, run_dir, found.parts)
        elif len(skipped) < _MAX_SKIPPED:
            skipped.append(Skipped(printable(name), why))
        else:
            unlisted += 1
    if unlisted:
        skipped.append(Skipped("…", f"and {unlisted} more"))


_MAX_SKIPPED = 1000


def _named(run_dir: Path) -> Iterator[tuple[beneath.Found, str]]:
    for folder, prefix in _SOURCES:
        for found in beneath.walk(run_dir, folder, depth=MAX_DEPTH):
            yield found, "/".join((*prefix, *found.parts[len(folder) :]))


def _refusal(found: beneath.Found, name: str, owners: set[int]) -> str:
    if found.problem:
        return found.problem
    if found.parts[-1].startswith(PARTIAL_UPLOAD):
        return "an upload that was not completed"
    # Another user's file can be linked to, and would be stored for the one who may not read it.
    if found.links > 1 and found.owner not in owners:
        return "hard link to another user's file"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    return "" if len(name) <= MAX_NAME else f"the name is longer than {MAX_NAME} characters"


def printable(name: str) -> str:
    """`name` as text that every database and page can hold: undecodable bytes and control characters as U+FFFD."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", name)[:MAX_NAME]


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
