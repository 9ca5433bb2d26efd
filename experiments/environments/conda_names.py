"""What a conda package name means on PyPI, from the table that ships beside this file."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_TABLE = Path(__file__).with_name("conda_names.toml")
_SYSTEM_PREFIXES = {"r-": "R runs are not offered", "cuda-": "it is a library of the machine, not a Python package"}


@dataclass(frozen=True)
class OnPyPI:
    """The PyPI name and the extras that make up the same; `why` says what differs ("" if nothing does)."""

    name: str
    extras: tuple[str, ...] = ()
    why: str = ""
    dead: bool = False


@dataclass(frozen=True)
class Dropped:
    """Not needed outside conda, for the reason `why`."""

    why: str


@dataclass(frozen=True)
class CondaOnly:
    """Nothing on PyPI takes its place, for the reason `why`."""

    why: str


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_TABLE.read_text())


def on_pypi(name: str) -> OnPyPI | Dropped | CondaOnly:
    """Translate the name of a conda package; a name that the table does not have is the same on both sides."""
    table, lower = _table(), name.lower()
    if lower in table["conda_only"]:
        return CondaOnly(table["conda_only"][lower])
    if lower in table["dropped"]:
        return Dropped(table["dropped"][lower])
    if lower in table["renamed"]:
        requirement = Requirement(table["renamed"][lower])
        target = canonicalize_name(requirement.name)
        same = target == canonicalize_name(lower) and not requirement.extras
        why = "" if same else f"conda's {name} is {requirement} on PyPI"
        return OnPyPI(target, tuple(sorted(requirement.extras)), why)
    for prefix, why in _SYSTEM_PREFIXES.items():
        if lower.startswith(prefix):
            return CondaOnly(why)
    return living(name)


def living(name: str) -> OnPyPI:
    """The PyPI package to take for a PyPI name: itself, or the one that took over from a dead alias."""
    canonical = canonicalize_name(name)
    dead = _table()["dead"].get(canonical)
    if dead is None:
        return OnPyPI(canonical)
    return OnPyPI(dead["name"], why=f"{dead['why']}; {dead['name']} is installed in its place", dead=True)
