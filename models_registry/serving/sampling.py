"""Requests that are to be kept, on their way from the event loop to the thread that writes them. No Django here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_WAITING = 1000  # requests that wait to be written; there is a write every second
MOST_BYTES = 64 << 20  # of rows that wait


@dataclass(frozen=True, slots=True)
class Sample:
    """`payload` as the model worker took it (an array, {"rows": […]}), `result` as it answered. Neither is changed by anybody."""

    deployment_id: str
    version: str
    request_id: str
    method: str
    time: float
    describe: Mapping[str, Any]
    payload: Any
    result: Any


class Samples:
    """Put aside at once, bounded by number and size: what is too much is dropped, and counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Sample] = []
        self._bytes = 0
        self.dropped = 0

    def add(self, sample: Sample) -> None:
        size = size_of(sample.payload) + size_of(sample.result)
        with self._lock:
            if len(self._waiting) >= MOST_WAITING or self._bytes + size > MOST_BYTES:
                self.dropped += 1
                return
            self._waiting.append(sample)
            self._bytes += size

    def take(self) -> list[Sample]:
        with self._lock:
            taken, self._waiting, self._bytes = self._waiting, [], 0
        return taken


def size_of(value: Any) -> int:
    """About: of lists by the number of their cells."""
    size = getattr(value, "nbytes", None)
    if size is not None:
        return int(size)
    parts = getattr(value, "parts", None)  # of a message that is encoded already
    if parts is not None:
        return sum(map(len, parts))
    if isinstance(value, dict):
        return sum(map(size_of, value.values()))
    if isinstance(value, list):
        return 64 * sum(len(row) if isinstance(row, list) else 1 for row in value)
    return len(getattr(value, "body", b"")) or 64
