"""What `from_files` and its like are given: files of this machine, places in the data store, addresses of the web."""

import glob
import os
import posixpath
import re
from typing import Any, Dict, List, Pattern, Tuple

from azureml.data import _web
from azureml.data._files import LocalFile, PortalFile, WebFile
from azureml.exceptions import UserErrorException


class Paths:
    """They are looked up whenever the dataset is used, except for the web's, which are fetched once."""

    definition: Dict[str, Any] = {}

    def __init__(self, path: Any, kept: Any = None) -> None:
        self._local: List[str] = []
        self._stored: List[Tuple[Any, str]] = []
        urls: List[str] = []
        for item in _items(path):
            if hasattr(item, "path_on_datastore"):
                item = (item.datastore, item.path_on_datastore)
            elif hasattr(item, "_files_below"):
                item = (item, "")
            if isinstance(item, tuple):
                self._stored.append((item[0], _normal(item[1])))
            elif _web.is_url(str(item)):
                _web.check(str(item))
                urls.append(str(item))
            else:
                self._local.append(os.path.abspath(str(item)))
        names = [_web.file_name(url) for url in urls]
        full = len(set(names)) < len(names)
        self._web = [WebFile(_web.file_name(url, with_folders=full), url) for url in urls]
        self._kept = kept  # a folder that is to last as long as this

    def check(self) -> None:
        """UserErrorException where there is no such file; the web is not asked."""
        self._found()

    def files(self) -> List[Any]:
        """By their path in the dataset, which begins where the places that were named part."""
        found: Dict[str, Any] = {}
        for file in self._found():
            if file.path in found:
                raise UserErrorException(
                    "two files of the dataset would be {!r}: make it of the folder above them".format(file.path)
                )
            found[file.path] = file
        return [found[path] for path in sorted(found)]

    def _found(self) -> List[Any]:
        local = [pair for path in self._local for pair in _local_files(path)]
        stored = [(base, row, store) for store, path in self._stored for base, row in _stored_files(store, path)]
        found: List[Any] = list(self._web)
        root = os.path.commonpath([base for base, _ in local]) if local else os.sep
        for path in sorted({path for _, path in local}):
            found.append(LocalFile(os.path.relpath(path, root).replace(os.sep, "/"), path))
        root = posixpath.commonpath([base for base, _, _ in stored]) if stored else ""
        # a place that was named twice, or within another one, counts once
        once = {(store._scope.url, store._scope.name, row["path"]): (row, store) for _, row, store in stored}
        for row, store in once.values():
            path = row["path"][len(root) + 1 :] if root else row["path"]
            found.append(PortalFile(path, row, store._scope, "data/files/content/"))
        return found


def matching(pattern: str) -> "Pattern[str]":
    """`*` and `?` within a part of the path, `**` for any parts, as Azure has it."""
    text = ""
    for piece in re.split(r"(\*\*/|\*\*|\*|\?)", pattern):
        text += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
    return re.compile(text + r"\Z", re.DOTALL)


def _items(path: Any) -> List[Any]:
    if isinstance(path, tuple) and len(path) == 2 and hasattr(path[0], "_files_below"):
        return [path]
    if isinstance(path, (list, tuple)):
        if not path:
            raise UserErrorException("a dataset is made of at least one path")
        return [item for one in path for item in _items(one)]
    if isinstance(path, (str, os.PathLike)) or hasattr(path, "path_on_datastore") or hasattr(path, "_files_below"):
        return [path]
    raise UserErrorException(
        "a path is a file or folder of this machine, an address of the web, a DataPath or (datastore, 'path'), "
        "not {!r}".format(path)
    )


def _normal(path: Any) -> str:
    parts = [part for part in str(path or "").replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UserErrorException("a path in the data store has no '..': {!r}".format(path))
    return "/".join(parts)


def _stored_files(store: Any, path: str) -> List[Tuple[str, Dict[str, Any]]]:
    """(folder that its path in the dataset begins below, row) of each file."""
    plain = re.split(r"[*?]", path, maxsplit=1)[0]
    rows = store._files_below(plain)
    if plain != path:
        pattern, base = matching(path), plain.rpartition("/")[0]
        found = [(base, row) for row in rows if pattern.match(row["path"])]
    else:
        found = [(path.rpartition("/")[0], row) for row in rows if row["path"] == path]
        found = found or [(path, row) for row in rows if not path or row["path"].startswith(path + "/")]
    if not found:
        raise UserErrorException("there is no file {!r} in the datastore {}".format(path or "**", store.name))
    return found


def _local_files(path: str) -> List[Tuple[str, str]]:
    if os.path.isfile(path):
        return [(os.path.dirname(path), path)]
    if os.path.isdir(path):
        base, paths = path, files_below(path)
    else:
        base = os.path.dirname(re.split(r"[*?\[]", path, maxsplit=1)[0])
        paths = [found for found in glob.glob(path, recursive=True) if os.path.isfile(found)]
    if not paths:
        raise UserErrorException(
            "there is no file {}. (In the data store it is (datastore, 'path'), not the path alone.)".format(path)
        )
    return [(base, found) for found in paths]


def files_below(folder: str) -> List[str]:
    """The regular files of a folder; links to folders are not followed."""
    found: List[str] = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        paths = (os.path.join(parent, name) for name in sorted(names))
        found.extend(path for path in paths if os.path.isfile(path))
    return found
