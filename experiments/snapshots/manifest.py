"""What a snapshot consists of: names, digests and sizes, in one canonical order."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from .names import clean_name
from .refusals import SnapshotRefused

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DIGEST_PREFIX: Final = b"mlportal-snapshot-1\n"


class Entry(NamedTuple):
    """One file: ``size`` in bytes, ``sha256`` of its content in lower-case hex."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Node:
    """A file or a folder of the tree. ``size`` and ``files`` of a folder are those of everything below it."""

    name: str
    path: str
    size: int
    files: int = 1
    sha256: str | None = None
    children: tuple["Node", ...] = ()

    @property
    def is_folder(self) -> bool:
        """Whether the node has children instead of content."""
        return self.sha256 is None


@dataclass(frozen=True)
class Manifest:
    """The files of a snapshot, sorted by name. Raises :class:`SnapshotRefused` for names that cannot live together."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, int]]) -> "Manifest":
        """Build a manifest from (name, sha256, size) in any order, such as those that :meth:`rows` gave."""
        return cls(tuple(sorted(Entry(*row) for row in rows)))

    def __post_init__(self) -> None:
        for name, sha256, size in self.entries:
            if clean_name(name) != name:
                raise SnapshotRefused(name, "the name is not in its canonical form (NFC)")
            if not _SHA256.fullmatch(sha256) or size < 0:
                raise SnapshotRefused(name, "the entry has no valid digest and size")
        refuse_conflicts(entry.name for entry in self.entries)
        if list(self.entries) != sorted(self.entries):
            raise SnapshotRefused("", "the entries are not sorted by name; use Manifest.of")

    @cached_property
    def digest(self) -> str:
        """The sha256 (hex) that the same files under the same names have on every machine."""
        whole = hashlib.sha256(_DIGEST_PREFIX)
        for name, sha256, size in self.entries:
            # Names hold no control characters, so the separators make the encoding unambiguous.
            whole.update(f"{name}\0{sha256}\0{size}\n".encode())
        return whole.hexdigest()

    @property
    def total_bytes(self) -> int:
        """The size of all files together."""
        return sum(entry.size for entry in self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files, sorted."""
        return tuple(entry.name for entry in self.entries)

    def rows(self) -> list[tuple[str, str, int]]:
        """The entries as plain tuples, to be stored as JSON."""
        return [(entry.name, entry.sha256, entry.size) for entry in self.entries]

    def tree(self) -> Node:
        """The entries as nested folders, to be shown: folders first, then files, each in alphabetical order."""
        return _folder("", "", [(entry.name.split("/"), entry) for entry in self.entries])


def refuse_conflicts(names: Iterable[str]) -> None:
    """Raise :class:`SnapshotRefused` for names that are equal but for case, or both a file and a folder."""
    files: dict[str, str] = {}
    for name in names:
        other = files.get(name.casefold())
        if other is not None:
            same = "the name is there twice" if other == name else f"the name differs from {other!r} only by case"
            raise SnapshotRefused(name, same)
        files[name.casefold()] = name
    for folded, name in files.items():
        cut = folded.rfind("/")
        while cut > 0:
            if folded[:cut] in files:
                raise SnapshotRefused(files[folded[:cut]], f"the name is a file, and a folder of {name!r}")
            cut = folded.rfind("/", 0, cut)


def refuse_beside(names: Iterable[str], others: Iterable[str]) -> None:
    """Raise :class:`SnapshotRefused` for a name that cannot come to the others, whatever these are among themselves."""
    files = {other.casefold(): other for other in others}
    folders = {
        folded[:at]: other for folded, other in files.items() for at, letter in enumerate(folded) if letter == "/"
    }
    for name in names:
        folded = name.casefold()
        if other := files.get(folded):
            raise SnapshotRefused(name, f"the name differs from {other!r} only by case")
        if other := folders.get(folded):
            raise SnapshotRefused(name, f"the name is a file, and a folder of {other!r}")
        for at, letter in enumerate(folded):
            if letter == "/" and (other := files.get(folded[:at])):
                raise SnapshotRefused(other, f"the name is a file, and a folder of {name!r}")


def _folder(name: str, path: str, below: list[tuple[list[str], Entry]]) -> Node:
    files: list[Node] = []
    folders: dict[str, list[tuple[list[str], Entry]]] = {}
    for (first, *rest), entry in below:
        if rest:
            folders.setdefault(first, []).append((rest, entry))
        else:
            files.append(Node(first, entry.name, entry.size, sha256=entry.sha256))
    inner = [_folder(first, f"{path}/{first}" if path else first, inside) for first, inside in folders.items()]
    children = (*sorted(inner, key=_alphabetical), *sorted(files, key=_alphabetical))
    return Node(name, path, sum(c.size for c in children), sum(c.files for c in children), children=children)


def _alphabetical(node: Node) -> tuple[str, str]:
    return node.name.casefold(), node.name
