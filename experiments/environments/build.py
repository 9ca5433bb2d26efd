"""From a lock to an environment on disk: built once per key, whole or not at all.

`<root>/<key>` is an environment, and exists only whole: it is built as `<root>/.building-<key>`, checked, given its
`env.json`, and then renamed, which is one step for every observer. After kill -9 (or a power cut before the rename)
there is a `.building-` folder that nobody reads. The rename is safe because the environment is relocatable: its
scripts find their Python beside themselves, `bin/python` and `pyvenv.cfg` point to the interpreter outside, and
bytecode takes its file name from where it is imported.

One build per key: `<root>/.locks/<key>` is flock'ed for the whole build. Every process of a build inherits the
descriptor (the check too: a starting Python writes bytecode), so if this process is killed the lock lasts until all
that it left behind has ended; whoever comes next may then remove the remains without anybody still writing there.
"""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from experiments.environments import uv_tool
from experiments.environments.errors import BuildError, Canceled, InterpreterNotFound, TimedOut
from experiments.environments.interpreters import Interpreter
from experiments.environments.lock import Lock, explanation, hint_for

_BUILDING = ".building-"
_OLD = ".old"
_MARKER = "env.json"
_WAIT_SECONDS = 0.05
# Runs in the new environment, on Python 3.6 and up: which distributions are there, and do all their files exist?
_CHECK = """
import csv, json, os, platform, sys, sysconfig
site = sysconfig.get_paths()["purelib"]
found, missing = {}, []
for folder in {site, sysconfig.get_paths()["platlib"]}:
    for info in os.listdir(folder) if os.path.isdir(folder) else ():
        if not info.endswith(".dist-info"):
            continue
        name, _, version = info[: -len(".dist-info")].partition("-")
        found[name] = version
        with open(os.path.join(folder, info, "RECORD"), encoding="utf-8", newline="") as record:
            spread = info[: -len(".dist-info")] + ".data/"  # is laid out elsewhere; wheels of old name it all the same
            for row in csv.reader(record):
                if row and not row[0].startswith(spread) and not os.path.exists(os.path.join(folder, row[0])):
                    missing.append(row[0])
print(json.dumps({
    "version": platform.python_version(), "prefix": os.path.realpath(sys.prefix), "found": sorted(found),
    "missing": missing[:5],
}))
"""


@dataclass(frozen=True)
class BuiltEnvironment:
    """A whole environment. `seconds` is what building it took, `size_bytes` what its files hold (shared with the
    cache by hard links where the file system allows); `hit` if it was there already.
    """

    path: Path
    python: Path
    key: str
    seconds: float
    hit: bool
    size_bytes: int


def find(root: Path, key: str) -> BuiltEnvironment | None:
    """The environment of this key if it is there, whole, and its interpreter still exists."""
    path = root / key
    python = path / "bin" / "python"
    try:
        marker = json.loads((path / _MARKER).read_bytes())
        if marker["key"] != key or not python.exists():
            return None
        return BuiltEnvironment(path, python, key, marker["seconds"], hit=True, size_bytes=marker["size_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def build(
    lock: Lock,
    interpreter: Interpreter,
    root: Path,
    *,
    log: uv_tool.Log,
    cancelled: uv_tool.Cancelled,
    uv: Path,
    cache_dir: Path,
    timeout: float,
) -> BuiltEnvironment:
    """The environment of `lock` under `root`, built if it is not there (`timeout` in seconds, waiting included).

    `cache_dir` has to be on the file system of `root` for uv to link files instead of copying them. Raises BuildError,
    TimedOut, Canceled; then nothing half-made is left. InterpreterNotFound for an interpreter of another minor.
    """
    if not _is_like(str(interpreter.version), lock.python_version):
        raise InterpreterNotFound(f"The lock is for Python {lock.python_version}, not for {interpreter.version}.")
    # uv runs in another folder.
    root, cache_dir = root.absolute(), cache_dir.absolute()
    if hit := _found(root, lock.key, log):
        return hit
    deadline = time.monotonic() + timeout
    root.mkdir(parents=True, exist_ok=True)
    with _only_builder(root, lock.key, log, cancelled, deadline) as held:
        if hit := _found(root, lock.key, log):
            return hit
        log(f"environment {lock.key[:12]}: not built yet, building it with Python {interpreter.version}")
        building = root / f"{_BUILDING}{lock.key}"
        _remove(building)

        def run(
            argv: Sequence[str | Path],
            *,
            stdin: str = "",
            tell: uv_tool.Log = log,
            env: Mapping[str, str] | None = None,
        ) -> uv_tool.Finished:
            return uv_tool.run(
                argv, log=tell, cancelled=cancelled, deadline=deadline, stdin=stdin, keep_open=[held], env=env
            )

        def run_uv(*arguments: str | Path, stdin: str = "", tell: uv_tool.Log = log) -> None:
            done = run([uv, *arguments, "--cache-dir", cache_dir], stdin=stdin, tell=tell)
            if done.code != 0:
                raise BuildError(explanation(done.stderr), hint_for(done.stderr))

        started = time.monotonic()
        try:
            _make(building, lock, interpreter, run_uv)
            size = _check(building, lock, run)
            seconds = time.monotonic() - started
            _finish(building, root / lock.key, {"key": lock.key, "seconds": seconds, "size_bytes": size}, lock)
        except OSError as error:
            raise BuildError(f"the environment could not be written: {error.strerror}", hint_for(str(error))) from error
        finally:
            # After a success there is nothing under this name any more.
            _remove(building)
        built = find(root, lock.key)
        if built is None:
            raise BuildError("the environment vanished right after it was built", "Is something cleaning the folder?")
        log(f"environment {lock.key[:12]}: built in {seconds:.1f} s, {size / 1e6:.0f} MB")
        return replace(built, hit=False)


def sweep(root: Path) -> int:
    """Remove what killed builds left behind, where no build of that key goes on; how many folders that were."""
    removed = 0
    for remains in root.glob(f"{_BUILDING}*") if root.is_dir() else ():
        key = remains.name.removeprefix(_BUILDING).removesuffix(_OLD)
        with contextlib.suppress(BlockingIOError), _lock_file(root, key) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(remains)
            removed += 1
    return removed


def _found(root: Path, key: str, log: uv_tool.Log) -> BuiltEnvironment | None:
    hit = find(root, key)
    if hit is not None:
        log(f"environment {key[:12]}: there already, nothing to build")
    return hit


@contextlib.contextmanager
def _lock_file(root: Path, key: str) -> Iterator[int]:
    """The open lock file of a key. It is never deleted: a lock on a deleted file would hold nobody off."""
    folder = root / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _only_builder(
    root: Path, key: str, log: uv_tool.Log, cancelled: uv_tool.Cancelled, deadline: float
) -> Iterator[int]:
    with _lock_file(root, key) as descriptor:
        waiting = False
        while not _try_lock(descriptor):
            if not waiting:
                log(f"environment {key[:12]}: somebody else is building it, waiting")
                waiting = True
            if cancelled():
                raise Canceled("the preparation was canceled while another build of the environment went on")
            if time.monotonic() >= deadline:
                raise TimedOut("another build of the environment took longer than allowed")
            time.sleep(_WAIT_SECONDS)
        yield descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make(building: Path, lock: Lock, interpreter: Interpreter, run_uv: Callable[..., None]) -> None:
    run_uv("venv", "--relocatable", "--no-project", "--python", interpreter.path, building, tell=lambda line: None)
    if lock.packages:
        wheels_only = () if lock.allow_source_builds else ("--only-binary", ":all:")
        run_uv(
            "pip", "install", "--no-deps", "--python", building / "bin" / "python", *wheels_only, *lock.index_options,
            "--requirements", "-", stdin=lock.text,
        )  # fmt: skip


def _check(building: Path, lock: Lock, run: Callable[..., uv_tool.Finished]) -> int:
    """Start the Python, compare what is installed with the lock and with its own lists of files; the size in bytes."""
    # Starting it runs code of packages (their .pth files) already: it sees nothing of the portal's environment.
    done = run([building / "bin" / "python", "-I", "-c", _CHECK], env={"PATH": os.defpath}, tell=lambda line: None)
    try:
        if done.code != 0:
            raise ValueError((done.stderr.splitlines() or ["it says nothing"])[-1])
        said = json.loads(done.stdout)
    except ValueError as error:
        raise BuildError(f"the new environment's Python does not start: {error}") from None
    if not _is_like(said["version"], lock.python_version) or Path(said["prefix"]) != building.resolve():
        raise BuildError(f"the new environment is not of Python {lock.python_version}")
    absent = {name for name, _ in lock.packages} - {canonicalize_name(name) for name in said["found"]}
    if absent or said["missing"]:
        raise BuildError(f"the new environment is not whole: {', '.join([*sorted(absent), *said['missing']])}")
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(building) for name in names)


def _finish(building: Path, final: Path, facts: dict[str, Any], lock: Lock) -> None:
    marker = {**facts, "python_version": lock.python_version, "packages": lock.packages, "built": time.time()}
    with (building / _MARKER).open("w") as file:
        json.dump(marker, file)
        file.flush()
        os.fsync(file.fileno())
    if final.exists():
        # It has lost its interpreter or its marker: aside first, so that no half of it ever has the good name.
        aside = final.with_name(f"{_BUILDING}{final.name}{_OLD}")
        _remove(aside)
        final.rename(aside)
        building.rename(final)
        _remove(aside)
    else:
        building.rename(final)
    descriptor = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_like(version: str, wanted: str) -> bool:
    """Another patch is as good: this machine may have been upgraded, or be another than the one that resolved."""
    return Version(version).release[:2] == Version(wanted).release[:2]


def _remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
