"""A folder becomes a snapshot: the portal says what an ignore file leaves out, and takes only the bytes it lacks."""

import os
import stat
import unicodedata
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Tuple

from mlportal_sdk import blobs, errors

IGNORE_FILES = (".amlignore", ".gitignore")
MOST_IGNORE_BYTES = 64 * 1024
# What the portal leaves out of every snapshot: not even named, for a .git has more files than the code.
NEVER = frozenset([".git", "__pycache__", ".ipynb_checkpoints", "__MACOSX"])
_SPECIAL = frozenset("*?[]!\\# ")


def take(scope: Any, directory: str, progress: Optional[blobs.Progress] = None) -> Dict[str, Any]:
    """The snapshot of a folder, as the API shows it, with `ignored` as the plan says. Raises BadInput or TooLarge.

    `progress` is called with (bytes sent, bytes to send) while files are sent, which known ones are not.
    """
    if not os.path.isdir(directory):
        raise errors.BadInput("There is no folder {}".format(os.path.abspath(directory)))
    found = dict(walk(directory))
    if not found:
        raise errors.BadInput("There is no file in {}".format(os.path.abspath(directory)))
    sizes = [[name, size] for name, (_, size) in found.items()]
    ignores = {}
    for name, (path, size) in found.items():
        if name.rpartition("/")[2] in IGNORE_FILES and size <= MOST_IGNORE_BYTES:
            with open(path, "rb") as file:
                ignores[name] = file.read().decode("utf-8", "replace")
    plan = scope.post("snapshots/plan/", {"entries": sizes, "ignore_files": ignores})
    by_name = {unicodedata.normalize("NFC", name): path for name, (path, _) in found.items()}
    keep = plan["keep"]
    if not keep:
        raise errors.BadInput("The ignore files leave out every file of {}".format(os.path.abspath(directory)))
    files = [blobs.of_file(by_name[unicodedata.normalize("NFC", name)], name) for name in keep]
    body = {"entries": blobs.entries_of(files)}
    snapshot = blobs.name_files(scope, "snapshots/manifest/", body, files, progress)
    snapshot["ignored"] = [{"name": name, "size": size, "why": why} for name, size, why in plan["ignored"]]
    return snapshot  # type: ignore[no-any-return]


def walk(directory: str) -> Iterator[Tuple[str, Tuple[str, int]]]:
    """(name, (path, size)) of the regular files of a folder, by name, with / between its parts.

    A link to a file is that file; a link to a folder is left alone, for it may lead above or to all the data of the
    machine. Raises BadInput for a name that is no Unicode.
    """
    folders: List[Tuple[str, str, FrozenSet[str]]] = [("", directory, frozenset())]
    while folders:
        prefix, folder, above = folders.pop()
        try:
            found = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise errors.BadInput("{} cannot be read: {}".format(folder, error.strerror or error)) from None
        left_out = above | _plainly_left_out(found)
        below = []
        for entry in found:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in NEVER and entry.name not in left_out:
                    below.append((name + "/", entry.path, left_out))
                continue
            try:
                about = entry.stat()
            except OSError:
                continue  # a link to nothing, or gone meanwhile
            if stat.S_ISREG(about.st_mode):
                try:
                    name.encode("utf-8")
                except UnicodeEncodeError:
                    raise errors.BadInput("The name of this file is not valid Unicode: {!r}".format(name)) from None
                yield name, (entry.path, about.st_size)
        folders.extend(reversed(below))


def _plainly_left_out(found: "List[os.DirEntry[str]]") -> FrozenSet[str]:
    """Names of folders that this folder's ignore file leaves out here and everywhere below by a line without any pattern.

    They are not walked through: a virtual environment has more files than a request takes names. Only where the file
    takes nothing back (`!`), so that the portal would come to the same; it decides about everything else.
    """
    for kind in IGNORE_FILES:
        for entry in found:
            if entry.name == kind and entry.is_file():
                try:
                    with open(entry.path, "rb") as file:
                        lines = file.read(MOST_IGNORE_BYTES + 1).decode("utf-8-sig", "replace").splitlines()
                except OSError:
                    return frozenset()
                if any(line.startswith("!") for line in lines):
                    return frozenset()
                names = (line.rstrip()[:-1] if line.rstrip().endswith("/") else line.rstrip() for line in lines)
                return frozenset(name for name in names if name and "/" not in name and not _SPECIAL & set(name))
    return frozenset()
