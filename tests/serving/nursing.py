"""Many model workers at a small price: real ones, forked from one that has imported the packages, behind a real gateway."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from models_registry.serving.gateway import Route, Target
from models_registry.serving.probe import Probe
from models_registry.serving.replica import WORKER
from tests.serving.conftest import Memory, authorize, until

NURSERY = Path(__file__).with_name("nursery.py")
NUMBERS = itertools.count()


class Nursery:
    def __init__(self, folder: Path, memory: Memory, python: Path = Path(sys.executable)) -> None:
        self.folder, self.memory = folder, memory
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [python, "-u", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **limits},
        )

    def serve(self, name: str, model: Any) -> tuple[int, dict[str, Any] | None, str]:
        """(process id, what the worker says of the model or None, its log)."""
        number = next(NUMBERS)
        file, socket, log = (self.folder / f"n{number}.{end}" for end in ("joblib", "socket", "log"))
        if isinstance(model, Path):
            file = model
        else:
            joblib.dump(model, file)
        spec = json.dumps({"parent": self.process.pid})
        line = json.dumps([str(log), str(WORKER), ["--socket", str(socket), "--model", str(file), "--spec", spec]])
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        describe = until(lambda: self._describe(socket) or (not os.path.exists(f"/proc/{child}") and "gone"))
        if describe != "gone":
            route = Route(f"d-{name}", name, [Target("1", "1", [socket], describe)], authorize)
            self.memory.routes[name] = route
        return child, None if describe == "gone" else describe, log.read_text()

    def _describe(self, socket: Path) -> dict[str, Any] | None:
        probe = Probe.begin(socket, "describe")
        if probe is None:
            return None
        try:
            answer = until(lambda: probe.answer() or probe.broken)
            return answer if isinstance(answer, dict) else None
        finally:
            probe.close()

    def close(self) -> None:
        self.memory.routes.clear()
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)


@contextlib.contextmanager
def served(nursery: Nursery, name: str, model: Any) -> Iterator[dict[str, Any]]:
    child, describe, log = nursery.serve(name, model)
    assert describe is not None, log
    try:
        yield describe
    finally:
        os.kill(child, signal.SIGTERM)


def as_json(value: Any) -> Any:
    """What of a result JSON can hold: the rule of docs/how-to/call-a-service.md, written a second time."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    if isinstance(value, (list, tuple, types.GeneratorType)):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return as_json(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def same(got: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, dict):
        return isinstance(got, dict) and got.keys() == expected.keys() and all(same(got[k], expected[k]) for k in got)
    if isinstance(expected, float) and isinstance(got, (int, float)):
        return abs(got - expected) <= 1e-12 * max(1.0, abs(expected))
    return type(got) is type(expected) and got == expected
