"""What takes long to make, and is the same for all processes of the suite: the first that needs it makes it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_CACHE = Path.home() / ".cache" / "uv"  # uv's own of this machine: only the first suite ever downloads packages
ENVIRONMENTS = Path.home() / ".cache" / "mlportal-tests"  # of packages that are the same for every suite
VARIABLE = "TESTS_SHARED_FOLDER"  # inherited by xdist's processes, and by suites that a test starts


def begin() -> Path | None:
    """The folder, if this process made it: it has to `end` it, too."""
    if VARIABLE in os.environ:
        return None
    folder = Path(tempfile.mkdtemp(prefix="mlportal-shared-"))
    os.environ[VARIABLE] = str(folder)
    return folder


def end(folder: Path) -> None:
    os.environ.pop(VARIABLE, None)
    shutil.rmtree(folder, ignore_errors=True)


def once(name: str, make: Callable[[Path], None]) -> Path:
    """A file or a folder that `make` has written; it is there when it is whole."""
    folder = Path(os.environ[VARIABLE])
    path, partial = folder / name, folder / f".{name}.part"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            shutil.rmtree(partial, ignore_errors=True)  # of one that failed
            make(partial)
            partial.rename(path)
    return path


def migrate(variables: Mapping[str, str]) -> None:
    """Make the tables in a database: that takes longer than any start of a portal."""
    with tempfile.TemporaryDirectory() as home:
        given = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(command, cwd=ROOT, env={**given, "MLPORTAL_HOME": home, **variables}, check=True)


def empty_database() -> Path:
    """All tables in a file of SQLite, and nothing in them."""

    def make(path: Path) -> None:
        path.mkdir(mode=0o700)
        migrate({"MLPORTAL_HOME": str(path)})

    return once("home", make) / "portal.sqlite3"
