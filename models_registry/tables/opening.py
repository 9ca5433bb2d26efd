"""Starts the reader on a file, with limits, and takes what it found."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from models_registry.tables.reader import main; main()"


class TableRefused(Exception):
    """Why the file is no table that is taken, as a sentence for who handed it over."""


@dataclass(frozen=True)
class Limits:
    rows: int  # kept; of more a fair choice, the same one each time
    columns: int
    cells: int  # read, of all rows
    bytes: int  # written
    seconds: int = 60
    memory: int = 2 << 30


@dataclass(frozen=True)
class Read:
    """`columns` are what the reader says of each (see describing.py). `csv` are the names and the rows kept, as UTF-8."""

    columns: list[dict[str, Any]]
    rows: int
    of_rows: int
    csv: bytes


def read_table(file: IO[bytes], limits: Limits, folder: str | None = None) -> Read:
    """Read the regular file from its start. `folder` is where temporary files go. Raises TableRefused."""
    file.seek(0)
    command = [sys.executable, "-I", "-c", PROGRAM, str(ROOT), json.dumps(asdict(limits))]
    # Libraries would reserve address space for a thread a core.
    calm = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    with tempfile.TemporaryFile(dir=folder) as output:
        try:
            subprocess.run(
                command,
                stdin=file,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env=calm,
                cwd="/",
                start_new_session=True,
                timeout=limits.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TableRefused(f"Reading it takes more than {limits.seconds} s.") from None
        output.seek(0)
        try:
            told = json.loads(output.readline())
            if "refused" not in told:
                return Read(told["columns"], told["rows"], told["of_rows"], output.read())
        except (ValueError, KeyError, TypeError):
            raise TableRefused("Reading it takes more memory or time than there is for it.") from None
    raise TableRefused(told["refused"])
