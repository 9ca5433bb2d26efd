"""Folders of experiments: `team/churn` is the experiment churn in the folder team. They are in the names alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class ExperimentFolder:
    """`path` has no slash at its end; `count` counts the experiments below, in its folders too."""

    path: str
    name: str
    count: int = 0
    is_folder: bool = True


def folder_of(text: str) -> str:
    """The folder that an address names, without the slash at its end."""
    return text.removesuffix("/")


def rows_of(experiments: Iterable[tuple[int, str]], folder: str) -> list[ExperimentFolder | int]:
    """Of (key, name) the folders right in the folder, by name, and after them the keys of what is in it, in their order."""
    folders: dict[str, ExperimentFolder] = {}
    keys: list[int] = []
    for key, name in experiments:
        first, slash, rest = name_in(name, folder).partition("/")
        if not slash or not first or not rest:  # "/x", "x/" and "a//b" are names, too, and nobody's folders
            keys.append(key)
            continue
        path = f"{folder}/{first}" if folder else first
        folders.setdefault(path, ExperimentFolder(path, first)).count += 1
    return [*sorted(folders.values(), key=lambda one: one.name.casefold()), *keys]


def name_in(name: str, folder: str) -> str:
    return name.removeprefix(f"{folder}/") if folder else name


def folders_above(path: str) -> list[ExperimentFolder]:
    """The folders of a path, from the outermost on; the last one is the path itself."""
    found: list[ExperimentFolder] = []
    for part in path.split("/") if path else []:
        above = f"{found[-1].path}/{part}" if found else part
        found.append(ExperimentFolder(above, part))
    return found if all(one.name for one in found) else []
