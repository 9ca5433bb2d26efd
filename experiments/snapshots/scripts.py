"""Guesses what a person would pick on the submit page: the entry script and the environment file."""

import re
from collections.abc import Iterable
from typing import Final

_NEVER_ENTRY: Final = re.compile(r"(__init__|__main__|setup|conftest|score|test_.*|.*_test)\.py")
_ENTRY_BY_RANK: Final = tuple(map(re.compile, (r"train\.py", r"train.*\.py", r"main\.py")))
_ENVIRONMENT_BY_RANK: Final = tuple(
    map(re.compile, (r"environment\.ya?ml", r"(.*[-_.])?conda.*\.ya?ml", r"(.*[-_.])?env(ironment)?([-_.].*)?\.ya?ml"))
)


def guess_entry_script(names: Iterable[str]) -> str | None:
    """The script that most likely trains: nearest to the root, ``train.py``, then ``train*.py``, then ``main.py``.

    Without such a name, the only ``.py`` at the root, or the only one at all; else ``None``. Tests, packaging and
    scoring scripts are never guessed.
    """
    scripts = [name for name in names if name.endswith(".py") and not _NEVER_ENTRY.fullmatch(_last(name))]
    if named := _best(scripts, _ENTRY_BY_RANK):
        return named
    at_root = [name for name in scripts if "/" not in name]
    for alone in (at_root, scripts):
        if len(alone) == 1:
            return alone[0]
    return None


def guess_environment(names: Iterable[str]) -> str | None:
    """The file most likely to be a conda environment: ``environment.yml``, ``conda*.yml``, ``*-env.yml``, ``env-*.yml``; or None."""
    return _best(names, _ENVIRONMENT_BY_RANK)


def _best(names: Iterable[str], by_rank: tuple[re.Pattern[str], ...]) -> str | None:
    ranked = [
        (name.count("/"), rank, len(name), name)
        for name in names
        for rank, pattern in enumerate(by_rank)
        if pattern.fullmatch(_last(name).lower())
    ]
    return min(ranked)[-1] if ranked else None


def _last(name: str) -> str:
    return name.rpartition("/")[2]
