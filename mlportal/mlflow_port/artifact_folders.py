"""The folders of this machine from which files may be taken; whatever a link or an address says, nothing else is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote, urlsplit

from experiments.runner.beneath import open_regular, walk
from mlportal.mlflow_port.addresses import local_path
from mlportal.mlflow_port.items import FileItem, Unreadable
from mlportal.mlflow_port.report import Report

Parts = tuple[str, ...]
DEPTH: Final = 50


class ArtifactFolders:
    def __init__(self, folders: Sequence[Path], report: Report) -> None:
        self._report = report
        # An address has the name by which its writer knew the folder, which may have gone through a link.
        self._folders = {
            each: each.resolve() for name in folders for each in (Path(os.path.abspath(name)), name.resolve())
        }

    def place(self, uri: str) -> tuple[Path, Parts]:
        """Where the address leads to, if it is in one of the folders. Unreadable."""
        path = local_path(uri)
        whole = Path(os.path.normpath(path))
        for name, folder in self._folders.items() if path else ():
            if whole.is_relative_to(name) and whole != name:
                return folder, whole.relative_to(name).parts
        places = ", ".join(str(each) for each in dict.fromkeys(self._folders.values()))
        raise Unreadable(f"its files are at {uri!r:.300}, which is not in {places}; --artifacts names other folders")

    def copy(self, uri: str, name: str) -> tuple[Path, Parts]:
        """The place of the address, or of what was copied from there into one of the folders: what ends as the address
        does, with the folder `name` in it. Unreadable if nothing is known of its files; a place may be empty."""
        try:
            place, refused = self.place(uri), None
            if self.has(*place):
                return place
        except Unreadable as error:
            place, refused = None, error
        ends = _ends(uri, name)
        for folder in self._folders.values():
            for end in ends:
                if self.has(folder, end):
                    return folder, end
        if place is not None:
            return place
        for folder in self._folders.values() if not self._is_elsewhere(uri) else ():
            for end in ends:
                above = end[: end.index(name)]
                if above and folder.joinpath(*above).is_dir():  # its neighbours came; it had no files
                    return folder, end
        assert refused is not None
        raise refused

    def has(self, folder: Path, parts: Parts) -> bool:
        return any(True for _ in walk(folder, parts, depth=DEPTH))

    def files(self, folder: Path, parts: Parts, where: str) -> Iterator[FileItem]:
        """By their paths below `parts`; what is no regular file is told."""
        for found in walk(folder, parts, depth=DEPTH):
            path = "/".join(found.parts[len(parts) :])
            if found.problem:
                self._report.problem(f"{where}, file {path or '/'.join(parts)}", found.problem)
            else:
                yield FileItem(path, found.size, lambda parts=found.parts: opened(folder, parts))  # type: ignore[misc]

    def _is_elsewhere(self, uri: str) -> bool:
        """Whether its files may be where this process does not look: in a bucket, or in a folder that was not named."""
        path = local_path(uri)
        return Path(path).is_dir() if path else urlsplit(uri).scheme not in ("", "mlflow-artifacts")


def opened(folder: Path, parts: Parts) -> AbstractContextManager[BinaryIO]:
    return os.fdopen(open_regular(folder, parts), "rb")


def _ends(uri: str, name: str) -> list[Parts]:
    """Of the address's path, from the whole of it to what begins with the folder of this name."""
    try:
        split = urlsplit(uri)
    except ValueError:
        return []
    path = split.path if split.scheme == "" else unquote(split.path)
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if name not in parts or ".." in parts or "\0" in path:
        return []
    return [parts[start:] for start in range(parts.index(name) + 1)]
