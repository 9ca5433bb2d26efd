"""The Pythons of this machine, and the one to take for what a file asks.

Every candidate is run once to see what it really is: a shim, a link or the python of a virtual environment counts as
the interpreter behind it. CPython 3.6 and up, with the GIL, is what environments are built from.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

import uv
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from experiments.environments.errors import InterpreterNotFound

Source = Literal["setting", "path", "pyenv", "uv", "system"]

OLDEST = Version("3.6")
DEFAULT_MINOR = "3.12"
PROBE_SECONDS = 5.0
# Wheels for a new minor follow its release by some months; before that its packages cannot be installed.
_WHEELS_FOLLOW = timedelta(days=120)
# Source: PEPs 494, 537, 569, 596, 619, 664, 693, 719, 745; later minors come each October (PEP 602).
_RELEASED = {
    (3, 6): date(2016, 12, 23),
    (3, 7): date(2018, 6, 27),
    (3, 8): date(2019, 10, 14),
    (3, 9): date(2020, 10, 5),
    (3, 10): date(2021, 10, 4),
    (3, 11): date(2022, 10, 24),
    (3, 12): date(2023, 10, 2),
    (3, 13): date(2024, 10, 7),
    (3, 14): date(2025, 10, 7),
}
_EXECUTABLE = re.compile(r"python(3(\.\d+)?)?")
_SYSTEM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin")
_PROBE = """
import json, os, platform, sys, sysconfig
base = getattr(sys, "base_prefix", sys.prefix)
path = os.path.realpath(sys.executable)
if sys.prefix != base and path.startswith(os.path.realpath(sys.prefix) + os.sep):
    path = os.path.realpath(os.path.join(base, "bin", "python%d.%d" % sys.version_info[:2]))
print(json.dumps({
    "version": platform.python_version(), "implementation": platform.python_implementation(), "path": path,
    "platform": sysconfig.get_platform(), "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that was run and answered; `path` is the real file (there, if another machine reported it), `platform`
    such as `linux-x86_64`."""

    version: Version
    path: Path
    source: Source
    platform: str = ""


@dataclass(frozen=True)
class Choice:
    """The interpreter to take, and what to tell the person if it is not the very one that was asked for."""

    interpreter: Interpreter
    note: str | None = None


def discover(extra: Sequence[Path] = ()) -> list[Interpreter]:
    """Every usable Python, newest first; of two with the same version the one found first of: `extra` (files, or
    folders of them), the path, pyenv, uv's own, the system's folders. Answers of interpreters are remembered for this
    process until their file changes.
    """
    candidates = list(dict.fromkeys(_candidates(extra)))
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = pool.map(_probe_once, (path for path, _ in candidates))
        found: dict[Path, Interpreter] = {}
        for (_, source), answer in zip(candidates, answers, strict=True):
            if answer is not None:
                version, path, platform = answer
                found.setdefault(path, Interpreter(version, path, source, platform))
    return sorted(found.values(), key=lambda each: each.version, reverse=True)


def choose(
    python: str, interpreters: Sequence[Interpreter], *, default: str = DEFAULT_MINOR, as_of: date | None = None
) -> Choice:
    """The interpreter for a PEP 440 specifier (`EnvironmentSpec.python`).

    What fits exactly is taken, the newest of several; else the nearest patch of the one minor that is named. Without
    a wish it is the newest up to the minor `default`. With `as_of`, Pythons that the packages of that day cannot know
    are left aside where others fit; where none does, it is the oldest. Raises InterpreterNotFound, which lists what
    there is.
    """
    wanted = SpecifierSet(python)
    usable = [each for each in interpreters if each.version >= OLDEST]
    if not python:
        return _by_default(usable, default, as_of)
    fitting = [each for each in usable if wanted.contains(each.version, prereleases=False)]
    if fitting:
        best, newest = _newest_known(fitting, as_of), _newest(fitting)
        if warning := _too_new(best, as_of):
            return Choice(best, f"{best.version} is the oldest Python here that fits the file, but {warning}")
        if best.version == newest.version:
            return Choice(best)
        return Choice(best, f"Python {best.version} is used: packages of {as_of} do not know {newest.version} yet")
    for pin in wanted:
        if pin.operator == "==" and not pin.version.endswith(".*"):
            near = _nearest_patch(Version(pin.version), usable)
            if near is not None:
                nearest = f"{near.version}, the nearest patch of {near.version.major}.{near.version.minor}"
                warning = _too_new(near, as_of)
                return Choice(
                    near,
                    f"{pin.version} is not on this machine; {nearest}, is used"
                    + (f", but {warning}" if warning else ""),
                )
    raise InterpreterNotFound(f"Python {python} is not on this machine", _what_there_is(usable))


def released(python: Version) -> date:
    """The day on which the first release of its minor came out."""
    return _RELEASED.get((python.major, python.minor)) or date(2011 + python.minor, 10, 1)


def knows(day: date, python: Version) -> bool:
    """Whether packages of that day may be expected to have wheels for it."""
    return released(python) + _WHEELS_FOLLOW <= day


def _by_default(usable: Sequence[Interpreter], default: str, as_of: date | None) -> Choice:
    if not usable:
        raise InterpreterNotFound("there is no usable Python on this machine", _what_there_is(usable))
    limit = Version(default).release[:2]
    up_to = [each for each in usable if each.version.release[:2] <= limit]
    best = _newest_known(up_to, as_of) if up_to else min(usable, key=lambda each: each.version)
    if warning := _too_new(best, as_of):
        return Choice(best, f"the file names no Python; {best.version}, the oldest here, is used, but {warning}")
    return Choice(best, f"the file names no Python; {best.version} is used")


def _newest_known(interpreters: Sequence[Interpreter], day: date | None) -> Interpreter:
    """The newest whose minor had wheels on that day; if none had, the newest patch of the oldest minor."""
    known = [each for each in interpreters if not _too_new(each, day)]
    if known:
        return _newest(known)
    oldest = min(each.version.release[:2] for each in interpreters)
    return _newest([each for each in interpreters if each.version.release[:2] == oldest])


def _too_new(interpreter: Interpreter, day: date | None) -> str:
    """Why packages of that day have no wheels for it; "" when they may."""
    version = interpreter.version
    if day is None or knows(day, version):
        return ""
    minor = f"{version.major}.{version.minor}"
    return f"few packages of {day} have wheels for {minor}, which came out on {released(version)}"


def _newest(interpreters: Sequence[Interpreter]) -> Interpreter:
    return max(interpreters, key=lambda each: each.version)


def _nearest_patch(version: Version, interpreters: Sequence[Interpreter]) -> Interpreter | None:
    same_minor = [
        each
        for each in interpreters
        if each.version.release[:2] == (version.major, version.minor) and not each.version.is_prerelease
    ]
    return min(
        same_minor, key=lambda each: (abs(each.version.micro - version.micro), -each.version.micro), default=None
    )


def _what_there_is(interpreters: Sequence[Interpreter]) -> str:
    versions = ", ".join(str(version) for version in sorted({each.version for each in interpreters}))
    return (
        f"There is: {versions or 'none'}. Name one of these in the file, or have the administrator install the one "
        "that is missing (on the path, with pyenv, or with `uv python install`)."
    )


def _candidates(extra: Sequence[Path]) -> Iterator[tuple[Path, Source]]:
    for given in extra:
        yield from ((path, "setting") for path in (_in_folder(given) if given.is_dir() else [given]))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in filter(None, os.environ.get("PATH", "").split(os.pathsep)):
        # pyenv's shims are scripts that may point nowhere; its versions are found below.
        if Path(folder) != pyenv / "shims":
            source: Source = "system" if folder in _SYSTEM_FOLDERS else "path"
            yield from ((path, source) for path in _in_folder(Path(folder)))
    yield from ((path, "pyenv") for path in sorted(pyenv.glob("versions/*/bin/python")))
    if (managed := _uv_folder()) is not None:
        yield from ((path, "uv") for path in sorted(managed.glob("*/bin/python3*")) if _EXECUTABLE.fullmatch(path.name))
    for folder in _SYSTEM_FOLDERS:
        yield from ((path, "system") for path in _in_folder(Path(folder)))


def _in_folder(folder: Path) -> list[Path]:
    try:
        return sorted(
            folder / entry.name for entry in os.scandir(folder) if _EXECUTABLE.fullmatch(entry.name) and entry.is_file()
        )
    except OSError:
        return []


@cache
def _uv_folder() -> Path | None:
    """Where uv keeps the Pythons that it installed."""
    try:
        answer = subprocess.run(
            [uv.find_uv_bin(), "python", "dir", "--color", "never"],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(answer.stdout.strip())


_Answer = tuple[Version, Path, str] | None
_answers: dict[tuple[str, int, int], _Answer] = {}


def _probe_once(path: Path) -> _Answer:
    try:
        stat = path.stat()
    except OSError:
        return None
    key = (str(path), stat.st_mtime_ns, stat.st_size)
    if key not in _answers:
        _answers[key] = _probe(path)
    return _answers[key]


def _probe(path: Path) -> _Answer:
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    try:
        done = subprocess.run(
            [path, "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            env=environment,
            check=True,
        )
        said = json.loads(done.stdout)
        version = Version(said["version"])
        real = Path(said["path"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    if said["implementation"] != "CPython" or said["free_threaded"] or version < OLDEST or not real.exists():
        return None
    return version, real, said["platform"]
