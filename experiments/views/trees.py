"""Flat names with slashes as the rows of a tree: folders first, each with its level and what is below it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass
class TreeRow:
    """A file or folder; `size` (bytes) and `files` of a folder are those of everything below it."""

    name: str
    path: str
    level: int
    is_folder: bool
    size: int = 0
    files: int = 0


def tree_rows(files: Iterable[tuple[str, int]]) -> list[TreeRow]:
    """`files` are (path, size in bytes); folders come before files, both in alphabetical order."""
    root: dict[str, Any] = {}
    for path, size in files:
        *folders, name = path.split("/")
        inside = root
        for folder in folders:
            inside = inside.setdefault(f"{folder}/", {})
        inside[name] = size
    return _rows(root, "", 0)


def _rows(inside: dict[str, Any], prefix: str, level: int) -> list[TreeRow]:
    rows: list[TreeRow] = []
    for key, below in sorted(inside.items(), key=lambda item: (isinstance(item[1], int), item[0].casefold())):
        path = f"{prefix}{key.rstrip('/')}"
        if isinstance(below, int):
            rows.append(TreeRow(key, path, level, False, below, 1))
            continue
        inner = _rows(below, f"{path}/", level + 1)
        files = [row for row in inner if not row.is_folder]
        rows.append(TreeRow(key.rstrip("/"), path, level, True, sum(row.size for row in files), len(files)))
        rows += inner
    return rows
