"""From what a person hands over (files, a folder, a zip) to a manifest and stored blobs.

Names and counts are checked before the first byte is stored; sizes while the bytes are read, because headers lie.
A refusal may leave blobs behind that no manifest names: the store sweeps those.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple, cast

from . import ignore
from .manifest import Manifest, refuse_conflicts
from .names import clean_name
from .refusals import SnapshotRefused

Put = Callable[[BinaryIO], tuple[str, int]]
"""Stores what a stream holds; returns its sha256 (hex) and its size in bytes."""


@dataclass(frozen=True)
class Limits:
    """How much a snapshot may hold, counted over the files that are kept. The defaults are Azure's.

    ``max_ratio`` is how many bytes a compressed byte may become; it is looked at from ``ratio_from_bytes`` on,
    because small files legitimately compress well.
    """

    max_bytes: int = 300 * 1024 * 1024
    max_files: int = 2000
    max_ratio: int = 200
    ratio_from_bytes: int = 8 * 1024 * 1024


class Ignored(NamedTuple):
    """A file that was left out: ``size`` in bytes as declared, ``why`` as ``".gitignore:3: *.csv"``."""

    name: str
    size: int
    why: str


@dataclass(frozen=True)
class Intake:
    """What was taken: the manifest, what was left out and why, and what a person should know about it."""

    manifest: Manifest
    ignored: tuple[Ignored, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a snapshot of these files would hold: names as they were handed over, and what would be left out."""

    keep: tuple[str, ...]
    ignored: tuple[Ignored, ...]
    total_bytes: int


class Candidate(NamedTuple):
    """A file handed over, not yet read. ``packed`` is its size inside an archive, None outside of one."""

    raw: str
    name: str
    size: int
    open: Callable[[], AbstractContextManager[BinaryIO]]
    packed: int | None = None


def take_files(
    pairs: Iterable[tuple[str, BinaryIO]], *, limits: Limits | None = None, put: Put, strip_top: bool = True
) -> Intake:
    """Take files given as (relative path, stream); streams stay open and belong to the caller.

    A browser puts the name of a dropped folder in front of every path: with ``strip_top``, the one folder that holds
    everything is cut off. Raises :class:`SnapshotRefused` naming the entry.
    """
    candidates = [Candidate(raw, clean_name(raw), _size_of(stream), _lend(stream)) for raw, stream in pairs]
    return gather(candidates, limits or Limits(), put, strip_top=strip_top)


def plan_files(
    entries: Iterable[tuple[str, int]], ignore_files: Mapping[str, bytes], *, limits: Limits | None = None
) -> Plan:
    """What :func:`take_files` would keep of files given as (relative path, size), by the rules of these ignore files.

    ``ignore_files`` maps a path among the entries to its content. Nothing is stored, and no folder is cut off. Raises
    :class:`SnapshotRefused` naming the entry: also an ignore file that counts and whose content was not handed over.
    """
    limits = limits or Limits()
    contents = {clean_name(raw): content for raw, content in ignore_files.items()}
    candidates = [Candidate(raw, name := clean_name(raw), size, _told(name, contents)) for raw, size in entries]
    kept, ignored = _choose(candidates, limits)
    total = 0
    for candidate in kept:
        total += candidate.size
        if total > limits.max_bytes:
            raise _too_large(candidate, limits)
    return Plan(tuple(candidate.raw for candidate in kept), tuple(ignored), total)


def gather(
    candidates: Sequence[Candidate], limits: Limits, put: Put, *, strip_top: bool, folders: Iterable[str] = ()
) -> Intake:
    """Store what the ignore rules keep of ``candidates``; ``folders`` are names of folders that came without files."""
    top = _common_top([c.name for c in candidates], folders) if strip_top else None
    if top is not None:
        candidates = [c._replace(name=c.name.removeprefix(f"{top}/")) for c in candidates]
    kept, ignored = _choose(candidates, limits)
    budget = _Budget(limits)
    rows = []
    for candidate in kept:
        with candidate.open() as stream:
            sha256, size = put(cast("BinaryIO", io.BufferedReader(_Metered(stream, candidate, budget), _CHUNK)))
        rows.append((candidate.name, sha256, size))
    notes = (f"The folder {top!r} held everything; its content is the root of the snapshot.",) if top else ()
    return Intake(Manifest.of(rows), tuple(ignored), notes)


def _choose(candidates: Sequence[Candidate], limits: Limits) -> tuple[list[Candidate], list[Ignored]]:
    """What the ignore rules keep and leave out; refused when it is too much, nothing, or cannot live together."""
    kept, ignored = _sift(candidates)
    if len(kept) > limits.max_files:
        why = (
            f"{len(kept)} files are more than the limit of {limits.max_files} (MLPORTAL_SNAPSHOT_MAX_FILES); "
            "name what is not needed in .amlignore"
        )
        raise SnapshotRefused("", why, limits.max_files)
    if not kept:
        raise SnapshotRefused("", "no file is left to take" if ignored else "there is no file in it")
    refuse_conflicts(c.name for c in kept)
    return kept, ignored


def _sift(candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[Ignored]]:
    by_name = {c.name: c for c in candidates if not ignore.is_always_left_out(c.name)}
    contents = {}
    for name in ignore.effective(by_name):
        with by_name[name].open() as stream:
            contents[name] = stream.read(ignore.MAX_IGNORE_BYTES + 1)
    rules = ignore.IgnoreRules(contents)
    kept: list[Candidate] = []
    ignored: list[Ignored] = []
    for candidate in candidates:
        why = rules.why_left_out(candidate.name)
        if why is None:
            kept.append(candidate)
        else:
            ignored.append(Ignored(candidate.name, candidate.size, why))
    return kept, sorted(ignored)


def _common_top(names: Sequence[str], folders: Iterable[str]) -> str | None:
    """The one top-level folder that holds everything that counts, or None."""
    tops = set()
    for name in names:
        top, slash, _ = name.partition("/")
        if not ignore.is_always_left_out(f"{top}/"):
            if not slash and not ignore.is_always_left_out(name):
                return None
            if slash:
                tops.add(top)
    tops.update(top for top in (f.partition("/")[0] for f in folders) if not ignore.is_always_left_out(f"{top}/"))
    return tops.pop() if len(tops) == 1 else None


_CHUNK: Final = 64 * 1024


class _Budget:
    """The bytes that may still be taken, over all files of one intake."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.taken = 0


class _Metered(io.RawIOBase):
    """Counts what is really read of a file and refuses as soon as a limit is passed."""

    def __init__(self, stream: BinaryIO, candidate: Candidate, budget: _Budget) -> None:
        self._stream = stream
        self._candidate = candidate
        self._budget = budget
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed: any Buffer
        chunk = self._stream.read(len(buffer))
        self._read += len(chunk)
        self._budget.taken += len(chunk)
        self._check()
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _check(self) -> None:
        limits, entry = self._budget.limits, self._candidate
        if self._budget.taken > limits.max_bytes:
            raise _too_large(entry, limits)
        if entry.packed is None or self._read < limits.ratio_from_bytes:
            return
        if self._read > limits.max_ratio * max(entry.packed, 1):
            why = f"the file becomes more than {limits.max_ratio} times as large when unpacked"
            raise SnapshotRefused(entry.raw, why, limits.max_ratio)


def _too_large(entry: Candidate, limits: Limits) -> SnapshotRefused:
    why = f"with this file the snapshot is larger than {limits.max_bytes} bytes"
    return SnapshotRefused(entry.raw, why, limits.max_bytes)


def _told(name: str, contents: Mapping[str, bytes]) -> Callable[[], AbstractContextManager[BinaryIO]]:
    def opened() -> AbstractContextManager[BinaryIO]:
        if name not in contents:
            raise SnapshotRefused(name, "the content of this ignore file is needed")
        return nullcontext(io.BytesIO(contents[name]))

    return opened


def _size_of(stream: BinaryIO) -> int:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return size


def _lend(stream: BinaryIO) -> Callable[[], AbstractContextManager[BinaryIO]]:
    def rewound() -> AbstractContextManager[BinaryIO]:
        stream.seek(0)
        return nullcontext(stream)

    return rewound
