"""How one run differs from another: what they were given, their code, and the packages they ran with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from django.conf import settings

from experiments.environments import Lock, package_changes
from experiments.models import EnvironmentVersion, Run
from experiments.snapshots import line_changes, unified
from mlportal.blobs import services as blobs
from mlportal.errors import NotFound

MOST_LINES: Final = 2000  # that change in a file which is compared line by line; of arguments, too
Kind = Literal["added", "removed", "changed"]
Line = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """Something's value in both runs; None where the run does not have it."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class FileChange:
    """A file that is not the same in both snapshots; sizes in bytes, None where it is not there."""

    path: str
    kind: Kind
    size_before: int | None
    size_after: int | None


@dataclass(frozen=True)
class EnvironmentChanges:
    """Both environments by name and version; `packages` is None unless both are resolved to a lock."""

    before: str | None
    after: str | None
    packages: list[Change] | None


@dataclass(frozen=True)
class Difference:
    """`arguments` are words with "-", "+" or " " before each; `files` is None unless both runs have a snapshot."""

    facts: list[Change]
    arguments: list[Line]
    parameters: list[Change]
    files: list[FileChange] | None
    same_files: int
    environment: EnvironmentChanges


@dataclass(frozen=True)
class FileDifference:
    """`lines` as `experiments.snapshots.unified` gives them; None when there are none to show, and `why` says it."""

    path: str
    kind: Kind
    lines: list[Line] | None
    why: str = ""


def compare_two(before: Run, after: Run) -> Difference:
    """What leads from the one to the other."""
    files, same = _file_changes(before, after)
    return Difference(
        facts=_changes(_facts(before), _facts(after)),
        arguments=_argument_changes(before.arguments, after.arguments),
        parameters=_changes(_parameters(before), _parameters(after)),
        files=files,
        same_files=same,
        environment=_environment_changes(before.environment_version, after.environment_version),
    )


def compare_file(before: Run, after: Run, path: str) -> FileDifference:
    """The file of both snapshots line by line. NotFound when it is in neither, or the same in both."""
    entries = _entries(before).get(path), _entries(after).get(path)
    if entries[0] == entries[1]:
        raise NotFound(f"The file {path!r} is in neither snapshot, or the same in both.")
    kind = _kind(*entries)
    limit = settings.DIFF_BYTES
    if max(size for _, size in filter(None, entries)) > limit:
        return FileDifference(path, kind, None, f"It is larger than {limit:,} bytes (MLPORTAL_DIFF_BYTES).")
    texts = [_text(entry) for entry in entries]
    if texts[0] is None or texts[1] is None:
        return FileDifference(path, kind, None, "It is not a text in UTF-8.")
    changes = line_changes(_lines(texts[0]), _lines(texts[1]), most=MOST_LINES)
    if changes is None:
        return FileDifference(path, kind, None, f"More than {MOST_LINES:,} lines of it differ.")
    lines = list(unified(changes))
    return FileDifference(path, kind, lines or None, "" if lines else "Only the end of its last line differs.")


def _changes(before: dict[str, str], after: dict[str, str]) -> list[Change]:
    names = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    return [Change(name, before.get(name), after.get(name)) for name in names]


def _facts(run: Run) -> dict[str, str]:
    facts = {
        "Experiment": run.experiment.name,
        "Script": run.script,
        "Compute": run.compute_target.name if run.compute_target else "",
        "Time limit in seconds": str(run.wall_seconds or ""),
    }
    return {name: value for name, value in facts.items() if value}


def _parameters(run: Run) -> dict[str, str]:
    return dict(run.parameters.order_by("name").values_list("name", "value"))


def _argument_changes(before: Sequence[object], after: Sequence[object]) -> list[Line]:
    old, new = [str(word) for word in before], [str(word) for word in after]
    changes = line_changes(old, new, most=MOST_LINES)
    return [*(("-", word) for word in old), *(("+", word) for word in new)] if changes is None else changes


def _entries(run: Run) -> dict[str, tuple[str, int]]:
    """{path: (digest, size)}"""
    return {name: (digest, size) for name, digest, size in run.snapshot.entries} if run.snapshot else {}


def _kind(before: tuple[str, int] | None, after: tuple[str, int] | None) -> Kind:
    return "added" if before is None else "removed" if after is None else "changed"


def _file_changes(before: Run, after: Run) -> tuple[list[FileChange] | None, int]:
    if before.snapshot is None or after.snapshot is None:
        return None, 0
    old, new = _entries(before), _entries(after)
    changed = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    files = [
        FileChange(
            path,
            _kind(old.get(path), new.get(path)),
            old[path][1] if path in old else None,
            new[path][1] if path in new else None,
        )
        for path in changed
    ]
    return files, len(old.keys() | new.keys()) - len(files)


def _text(entry: tuple[str, int] | None) -> str | None:
    """None for what is no text; "" for a file that is not there."""
    if entry is None:
        return ""
    with blobs.open_blob(entry[0]) as stream:
        content = stream.read(entry[1])
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _lines(text: str) -> list[str]:
    """Without the line feeds; a carriage return is shown, for it may be all that differs."""
    return text.removesuffix("\n").replace("\r", "␍").split("\n") if text else []


def _environment_changes(before: EnvironmentVersion | None, after: EnvironmentVersion | None) -> EnvironmentChanges:
    packages = None
    if before and after and before.lock and after.lock:
        old, new = Lock.from_dict(before.lock), Lock.from_dict(after.lock)
        facts = _changes(_of_interpreter(old), _of_interpreter(new))
        packages = [*facts, *(Change(*change) for change in package_changes(old, new))]
    return EnvironmentChanges(str(before) if before else None, str(after) if after else None, packages)


def _of_interpreter(lock: Lock) -> dict[str, str]:
    facts = {"Python": lock.python_version, "Platform": lock.platform, "Indexes": " ".join(lock.index_options)}
    return {name: value for name, value in facts.items() if value}
