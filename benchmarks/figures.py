"""Figures: what was measured, beside a peer where there is one, against a bar; printed, kept as JSON, judged."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Figure:
    """`ours`, `peer` and `bar` are in the same unit, and less is better, unless `more` is. `note` says how it was measured."""

    name: str
    ours: float
    bar: float
    unit: str
    peer: float | None = None
    note: str = ""
    more: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times the peer's figure ours is."""
        return self.ours / self.peer if self.peer else None

    @property
    def ok(self) -> bool:
        return self.ours >= self.bar if self.more else self.ours <= self.bar

    def line(self) -> str:
        """`figure NAME ours=… peer=… ratio=… bar=… ok`, or `short`."""
        values = {"ours": self.ours, "peer": self.peer, "ratio": self.ratio, "bar": self.bar}
        unit = {"ratio": ""}
        words = [f"{key}={_written(value, unit.get(key, self.unit))}" for key, value in values.items()]
        return f"figure {self.name} {' '.join(words)} {'ok' if self.ok else 'short'}"


def report(name: str, figures: list[Figure], **details: Any) -> int:
    """Print and keep them, with `details` beside them; the exit code: 1 when any is short of its bar."""
    for figure in figures:
        print(figure.line())
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }
    kept = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "figures": [{**asdict(figure), "ratio": figure.ratio, "ok": figure.ok} for figure in figures],
        **details,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
    return 0 if all(figure.ok for figure in figures) else 1


def _written(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g}{unit}"
