"""Runs the lister on a model file in a process with limits, and judges what it found."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from models_registry.inspection.verdicts import Verdict, verdict_of

Format = Literal["joblib", "pickle", "skops", "onnx", "other"]
LISTER = Path(__file__).with_name("lister.py")


@dataclass(frozen=True, slots=True)
class Import:
    """One name that the model file imports when it is loaded."""

    module: str
    name: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a model file imports. `verdict` is the worst of its imports, or "unreadable"; no verdict means "safe"."""

    verdict: Verdict
    imports: tuple[Import, ...]
    format: Format
    message: str


def inspect_model(path: Path, *, timeout: float = 20, memory_bytes: int = 1 << 30) -> Inspection:
    """List the imports of the model file at `path` without loading it.

    At most `timeout` seconds and `memory_bytes` of address space are spent; a file that needs more is "unreadable".
    Raises OSError when the file itself cannot be opened.
    """
    with _open_regular(path) as file:
        if path.suffix == ".onnx":
            return Inspection("unknown", (), "onnx", "An ONNX graph imports nothing; its operators are not listed.")
        command = [sys.executable, "-I", "-S", str(LISTER), str(memory_bytes), str(int(timeout) + 1)]
        process = subprocess.Popen(
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
    overtime = False
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        overtime = True
    return _judge(output, path, f"reading it takes more than {timeout:g} s" if overtime else None)


def _open_regular(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return os.fdopen(descriptor, "rb")


def _judge(output: bytes, path: Path, error: str | None) -> Inspection:
    imports: list[Import] = []
    kind: Format = "other"
    ended = False
    for line in output.splitlines():
        try:
            what, first, second = json.loads(line)
        except ValueError:
            break  # cut by the end of the process
        if what == "import":
            imports.append(Import(first, second, verdict_of(first, second)))
        else:
            kind, ended = first, True
            error = error or second
    if not ended:
        error = error or "the process that read it was ended by its limits"
    if kind == "pickle" and path.suffix == ".joblib":
        kind = "joblib"  # without arrays the two formats are the same bytes
    imports.sort(key=lambda item: (item.module, item.name))
    verdict, message = _conclude(imports, error)
    return Inspection(verdict, tuple(imports), kind, message)


def _conclude(imports: list[Import], error: str | None) -> tuple[Verdict, str]:
    dangerous = [f"{item.module}.{item.name}" for item in imports if item.verdict == "dangerous"]
    unknown = [f"{item.module}.{item.name}" for item in imports if item.verdict == "unknown"]
    trust = "Load it only if you trust its author."
    if dangerous:
        tail = f" The rest could not be read: {error}." if error else ""
        return "dangerous", f"Loading this file can run commands: it imports {_some(dangerous)}.{tail}"
    if error:
        return "unreadable", f"The file could not be read: {error}."
    if unknown:
        return "unknown", f"It imports names that are not known here: {_some(unknown)}. {trust}"
    return "known", f"It imports only names known from common libraries. {trust}"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
