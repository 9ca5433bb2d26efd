"""Which files a snapshot leaves out, and which line of which file says so.

The rules are git's (https://git-scm.com/docs/gitignore): a folder's file holds for everything below it, a deeper file
wins over a higher one, a later line over an earlier one, and nothing inside a folder that is left out can be taken
back in. As with Azure, an ``.amlignore`` replaces the ``.gitignore`` beside it.
"""

import re
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from .refusals import SnapshotRefused

IGNORE_FILES: Final = (".amlignore", ".gitignore")  # the first one of a folder counts
MAX_IGNORE_BYTES: Final = 64 * 1024

_ALWAYS_FOLDERS: Final = frozenset({".git", "__pycache__", ".ipynb_checkpoints", "__MACOSX"})
_ALWAYS_FILES: Final = frozenset({".DS_Store"})

# A pattern becomes a regular expression that backtracks: `*a*a*a*a*a*b` takes 12 s on one hostile name. Few wildcards
# bound the time of one match, the budget bounds that of all of them.
_MAX_WILDCARDS: Final = 4
_MAX_PATTERN_LENGTH: Final = 1024
_BUDGET_SECONDS: Final = 3.0
_EVERYTHING: Final = ("*", "**", "!*", "!**")
_WILDCARD: Final = re.compile(r"\*+")


class _Rule(NamedTuple):
    expression: re.Pattern[str]
    leaves_out: bool
    by_prefix: bool
    folders_only: bool
    origin: str

    def holds_for(self, name: str, is_folder: bool) -> bool:
        if self.by_prefix:
            return (is_folder or not self.folders_only) and self.expression.match(name) is not None
        # fullmatch: `!a/` speaks of the folder a, which must not take back in what `*` leaves out inside it.
        return self.expression.fullmatch(name + "/" if is_folder else name) is not None


class IgnoreRules:
    """The ignore files of one snapshot, asked file by file."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """``files`` maps the names of the ignore files (``"sub/.gitignore"``) to their content.

        Raises :class:`SnapshotRefused` for a file or pattern beyond the limits, naming the line.
        """
        self._rules: dict[str, list[_Rule]] = {}
        for name in effective(files):
            self._rules[name.rpartition("/")[0]] = _parse(name, files[name])
        self._folders: dict[str, str | None] = {"": None}
        self._spent = 0.0

    def why_left_out(self, name: str) -> str | None:
        """The reason why the file ``name`` is left out, as ``".gitignore:3: *.csv"``, or None if it is kept."""
        folder, _, last = name.rpartition("/")
        if (why := self._why_folder(folder)) is not None:
            return why
        if last in _ALWAYS_FILES:
            return f"always left out: {last}"
        return self._verdict(name, folder, is_folder=False)

    def _why_folder(self, folder: str) -> str | None:
        if folder not in self._folders:
            above, _, last = folder.rpartition("/")
            why = self._why_folder(above)
            if why is None:
                always = last in _ALWAYS_FOLDERS
                why = f"always left out: {last}/" if always else self._verdict(folder, above, is_folder=True)
            self._folders[folder] = why
        return self._folders[folder]

    def _verdict(self, name: str, folder: str, *, is_folder: bool) -> str | None:
        while True:
            if rules := self._rules.get(folder):
                below = name[len(folder) + 1 :] if folder else name
                for rule in reversed(rules):
                    if self._holds(rule, below, is_folder):
                        return rule.origin if rule.leaves_out else None
            if not folder:
                return None
            folder = folder.rpartition("/")[0]

    def _holds(self, rule: _Rule, name: str, is_folder: bool) -> bool:
        start = time.perf_counter()
        holds = rule.holds_for(name, is_folder)
        self._spent += time.perf_counter() - start
        if self._spent > _BUDGET_SECONDS:
            raise SnapshotRefused(name, f"the patterns take too long to match, {rule.origin} among them")
        return holds


def is_always_left_out(name: str) -> bool:
    """Whether ``name`` is left out of every snapshot, whatever the ignore files say."""
    *folders, last = name.split("/")
    return last in _ALWAYS_FILES or not _ALWAYS_FOLDERS.isdisjoint(folders)


def effective(names: Mapping[str, object]) -> list[str]:
    """The ignore files that count among ``names``: the first of :data:`IGNORE_FILES` that each folder has."""
    found: dict[str, str] = {}
    for kind in IGNORE_FILES:
        for name in names:
            folder, _, last = name.rpartition("/")
            if last == kind:
                found.setdefault(folder, name)
    return sorted(found.values())


def _parse(name: str, content: bytes) -> list[_Rule]:
    if len(content) > MAX_IGNORE_BYTES:
        raise SnapshotRefused(name, f"the file is larger than {MAX_IGNORE_BYTES} bytes", MAX_IGNORE_BYTES)
    rules = []
    for number, line in enumerate(content.decode("utf-8-sig", errors="replace").splitlines(), start=1):
        if len(line) > _MAX_PATTERN_LENGTH:
            raise SnapshotRefused(name, f"line {number} is longer than {_MAX_PATTERN_LENGTH} characters")
        # Of `*`, `**` and `a/**` pathspec makes an expression for the beginning of a name, which must not take a itself
        # for something inside of it; `a/**/` speaks of the folders among those.
        stem = line.rstrip().rstrip("/")
        by_prefix = stem in _EVERYTHING or stem.endswith("/**")
        try:
            pattern = GitIgnoreSpecPattern(stem if by_prefix else line)
        except (ValueError, re.error):
            continue  # as git does: a pattern that is none matches nothing
        if pattern.include is None or pattern.regex is None:
            continue
        if len(_WILDCARD.findall(line)) > _MAX_WILDCARDS:
            raise SnapshotRefused(name, f"line {number} has more than {_MAX_WILDCARDS} wildcards: {line.strip()}")
        folders_only = line.rstrip().endswith("/")
        origin = f"{name}:{number}: {line.strip()}"
        rules.append(_Rule(pattern.regex, pattern.include, by_prefix, folders_only, origin))
    return rules
