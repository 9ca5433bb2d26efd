"""Counts of requests, added up: what a gateway took, what rows hold, what charts draw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from models_registry.models.monitoring import Counted
from models_registry.serving.measuring import Cell

SUMS = (
    "requests",
    "latency_seconds",
    "rows",
    "batches",
    "batched_requests",
    "batched_rows",
    "model_seconds",
    "waiting",
)
MOSTS = ("largest_batch", "most_waiting")


@dataclass(slots=True)
class Counts:
    """The columns of `Counted`, with whole numbers as keys."""

    requests: int = 0
    latency_seconds: float = 0.0
    rows: int = 0
    batches: int = 0
    batched_requests: int = 0
    batched_rows: int = 0
    model_seconds: float = 0.0
    waiting: int = 0
    largest_batch: int = 0
    most_waiting: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of_cell(cls, cell: Cell) -> Self:
        numbers = {name: getattr(cell, name) for name in (*SUMS, *MOSTS) if name != "latency_seconds"}
        latencies = Counter({bucket: count for bucket, count in enumerate(cell.latencies) if count})
        return cls(**numbers, latency_seconds=cell.seconds, statuses=Counter(cell.statuses), latencies=latencies)

    def add(self, other: Counts | Counted) -> None:
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in MOSTS:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        for name in ("statuses", "latencies"):
            mine = getattr(self, name)
            for key, count in getattr(other, name).items():
                mine[int(key)] += count

    def columns(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in (*SUMS, *MOSTS)}
        return {
            **numbers,
            "statuses": {str(key): count for key, count in sorted(self.statuses.items())},
            "latencies": {str(key): count for key, count in sorted(self.latencies.items())},
        }

    @property
    def errors(self) -> int:
        """Answers that were no success: 4xx and 5xx."""
        return sum(count for status, count in self.statuses.items() if status >= 400)
