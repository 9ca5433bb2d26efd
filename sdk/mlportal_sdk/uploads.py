"""Places the files that a script hands over by name below the run's `uploads/`, each whole or not at all."""

import os
import stat
from typing import Any, Callable, Iterator, List, Tuple

from mlportal_sdk.values import well_formed

PARTIAL = ".partial-"  # names of files that are still being written begin so


def artifact_name(name: str) -> str:
    """A relative path with forward slashes. ValueError for one that is absolute, climbs or names nothing."""
    path = str(name).replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or path[1:3] == ":/":
        raise ValueError("the name of an upload must not be absolute: {!r}".format(name))
    if not parts or path.endswith("/"):
        raise ValueError("the name of an upload must name a file: {!r}".format(name))
    if ".." in parts:
        raise ValueError("the name of an upload must not contain '..': {!r}".format(name))
    if parts[0].startswith(PARTIAL) or any(letter < " " or "\x7f" <= letter < "\xa0" for letter in path):
        raise ValueError("the name of an upload is not allowed: {!r}".format(name))
    if well_formed(path) != path:
        raise ValueError("the name of an upload must be valid Unicode: {!r}".format(name))
    return "/".join(parts)


class Uploads:
    """The `uploads/` folder of a run. An upload of a name that is there already replaces it."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def add(self, name: str, path_or_stream: Any) -> str:
        """Copies a regular file, or what a text or binary stream still holds; returns the artifact's name.

        Raises ValueError for a bad name or what is not a regular file, OSError as reading and writing do.
        """
        name = artifact_name(name)
        self._write(name, lambda target: copy(path_or_stream, target))
        return name

    def folder(self, name: str, path: str) -> Iterator[Tuple[str, str]]:
        """(artifact name, path) of every regular file below a folder; links to folders are not followed."""
        name = artifact_name(str(name).rstrip("/\\"))
        if not os.path.isdir(path):
            raise NotADirectoryError("not a folder: {!r}".format(path))
        for parent, _, file_names in os.walk(path):
            for file_name in sorted(file_names):
                file_path = os.path.join(parent, file_name)
                if os.path.isfile(file_path):
                    yield artifact_name(os.path.join(name, os.path.relpath(file_path, path))), file_path

    def add_new(self, stem: str, suffix: str, write: Callable[[Any], None]) -> str:
        """A file under the first free name of stem.suffix, stem_1.suffix, …, filled by `write(binary file)`."""
        letters = [letter if letter.isalnum() or letter in " -_." else "_" for letter in str(stem)]
        stem = "".join(letters).lstrip(".")[:100] or "_"
        count = 0
        while True:
            name = artifact_name("{}_{}{}".format(stem, count, suffix) if count else stem + suffix)
            path = self._path(name)
            try:
                open(path, "xb").close()  # takes the name before another process does
                break
            except FileExistsError:
                count += 1
        try:
            self._write(name, write)
        except BaseException:
            os.unlink(path)
            raise
        return name

    def names(self) -> List[str]:
        """The artifact names of all uploads, sorted."""
        return [name for name in file_names(self.directory) if not name.startswith(PARTIAL)]

    def _path(self, name: str) -> str:
        path = os.path.join(self.directory, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def _write(self, name: str, write: Callable[[Any], None]) -> None:
        path = self._path(name)
        partial = os.path.join(self.directory, PARTIAL + os.urandom(8).hex())
        try:
            with open(partial, "xb") as target:
                write(target)
            os.replace(partial, path)
        except BaseException:
            if os.path.exists(partial):
                os.unlink(partial)
            raise


def file_names(directory: str) -> List[str]:
    """Every file below a folder as a relative path with forward slashes, sorted; empty where there is no folder."""
    return sorted(
        os.path.relpath(os.path.join(parent, name), directory).replace(os.sep, "/")
        for parent, _, names in os.walk(directory)
        for name in names
    )


def copy(path_or_stream: Any, target: Any) -> None:
    """Writes a regular file, or what a text or binary stream still holds, to a binary file."""
    if hasattr(path_or_stream, "read"):
        chunks = iter(lambda: path_or_stream.read(1024 * 1024) or None, None)
        target.writelines(chunk.encode("utf-8") if isinstance(chunk, str) else chunk for chunk in chunks)
        return
    if not stat.S_ISREG(os.stat(path_or_stream).st_mode):
        raise ValueError("not a regular file: {!r}".format(path_or_stream))  # opening a FIFO would wait for ever
    with open(path_or_stream, "rb") as source:
        copy(source, target)
