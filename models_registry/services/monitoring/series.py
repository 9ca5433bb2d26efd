"""What charts draw: the measurements of a service in steps of equal length."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlportal.errors import BadInput
from models_registry.models import Deployment
from models_registry.models.monitoring import ReplicaMeasure
from models_registry.services.monitoring.adding import Counts
from models_registry.services.monitoring.keeping import HOUR, MINUTE
from models_registry.serving.measuring import PIECE_SECONDS, quantile

EARLIEST = 946_684_800  # 2000-01-01
MOST_POINTS = 2000
USUAL_POINTS = 120
MOST_LINES = 20  # versions, and replicas, that are told apart
LATE_SECONDS = 3  # after which what was counted in a piece of time is in the database
DEFAULT_SECONDS = 900
STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Window:
    """Unix times; both ends are borders of steps."""

    start: int
    end: int
    step: int
    known_until: int
    """Until when everything is counted: the last step may be shorter than the others."""

    @property
    def times(self) -> list[int]:
        return list(range(self.start, min(self.end, self.known_until), self.step))

    def seconds(self, begin: int) -> int:
        return min(begin + self.step, self.known_until) - begin


def window(start: datetime | None = None, end: datetime | None = None, step: int | None = None) -> Window:
    """Raises BadInput that says what is wrong. The default is the last 15 minutes, in some hundred steps."""
    now = time.time()
    until = int(end.timestamp()) if end else int(now)
    begin = int(start.timestamp()) if start else until - DEFAULT_SECONDS
    if begin >= until:
        raise BadInput("`from` is earlier than `to`.", field="from")
    usual = next((one for one in STEPS if (until - begin) / one <= USUAL_POINTS), STEPS[-1])
    step = step or usual
    if begin < EARLIEST:
        raise BadInput("`from` is in the year 2000 or later.", field="from")
    if step % PIECE_SECONDS:
        raise BadInput(f"A step is a multiple of {PIECE_SECONDS} seconds.", field="step")
    if (until - begin) / step > MOST_POINTS:
        raise BadInput(
            f"At most {MOST_POINTS} steps are answered; take a longer `step`.", field="step", limit=MOST_POINTS
        )
    return _of(begin, min(until, int(now) + step), step, now)


def _of(begin: int, until: int, step: int, now: float) -> Window:
    known = int(now - LATE_SECONDS) // PIECE_SECONDS * PIECE_SECONDS
    return Window(begin // step * step, -(-until // step) * step, step, known)


def measures(deployment: Deployment, asked: Window) -> dict[str, Any]:
    """{from, to, step, times, total, series: [{version, …}], replicas: [{version, replica, memory_bytes}]}.

    Figures are lists as long as `times`: requests, errors and rows a second, latencies in seconds, null where nothing was
    asked. The first of `series` is of all versions. Steps are made longer where what is stored is merged to longer pieces.
    """
    span = {"at__gte": datetime.fromtimestamp(asked.start, UTC), "at__lt": datetime.fromtimestamp(asked.end, UTC)}
    rows = list(deployment.measures.filter(**span))
    replicas = list(deployment.replica_measures.filter(**span))
    asked = _fitting(asked, {row.seconds for row in rows} | {row.seconds for row in replicas})
    bins: dict[str, dict[int, Counts]] = defaultdict(lambda: defaultdict(Counts))
    all_bins: dict[int, Counts] = defaultdict(Counts)
    total = Counts()
    for row in rows:
        begin = int(row.at.timestamp()) // asked.step * asked.step
        bins[row.version][begin].add(row)
    versions = sorted(bins, key=lambda version: -sum(counts.requests for counts in bins[version].values()))
    for version in versions:
        for begin, counts in bins[version].items():
            all_bins[begin].add(counts)
            total.add(counts)
    lines = [("", all_bins), *((version, bins[version]) for version in sorted(versions[:MOST_LINES]))]
    return {
        "from": _iso(asked.start),
        "to": _iso(min(asked.end, max(asked.known_until, asked.start))),
        "step": asked.step,
        "times": asked.times,
        "total": summary(total),
        "series": [{"version": version or None, **_figures(asked, line)} for version, line in lines],
        "replicas": _memory(asked, replicas),
    }


def summary(counts: Counts) -> dict[str, Any]:
    """Figures of all of it."""
    return {
        "requests": counts.requests,
        "errors": counts.errors,
        "statuses": {str(status): count for status, count in sorted(counts.statuses.items())},
        "rows": counts.rows,
        "mean": counts.latency_seconds / counts.requests if counts.requests else None,
        **{name: quantile(counts.latencies, q) for name, q in QUANTILES.items()},
        "batch_rows": counts.batched_rows / counts.batches if counts.batches else None,
        "batch_requests": counts.batched_requests / counts.batches if counts.batches else None,
        "largest_batch": counts.largest_batch,
        "most_waiting": counts.most_waiting,
    }


def _fitting(asked: Window, stored: set[int]) -> Window:
    """With a step that is a multiple of the pieces that are stored in it: these cannot be divided."""
    longest = max(stored & {MINUTE, HOUR}, default=PIECE_SECONDS)
    step = -(-asked.step // longest) * longest
    return asked if step == asked.step else Window(
        asked.start // step * step, -(-asked.end // step) * step, step, asked.known_until
    )  # fmt: skip


def _figures(asked: Window, line: Mapping[int, Counts]) -> dict[str, Any]:
    found = [(line.get(begin) or Counts(), asked.seconds(begin)) for begin in asked.times]
    statuses = sorted({status for counts, _ in found for status in counts.statuses})
    return {
        "requests": [_rate(counts.requests, seconds) for counts, seconds in found],
        "errors": [_rate(counts.errors, seconds) for counts, seconds in found],
        "statuses": {
            str(status): [_rate(counts.statuses[status], seconds) for counts, seconds in found] for status in statuses
        },
        "rows": [_rate(counts.rows, seconds) for counts, seconds in found],
        "mean": [counts.latency_seconds / counts.requests if counts.requests else None for counts, _ in found],
        **{name: [quantile(counts.latencies, q) for counts, _ in found] for name, q in QUANTILES.items()},
        "batch_rows": [counts.batched_rows / counts.batches if counts.batches else None for counts, _ in found],
        "batch_requests": [counts.batched_requests / counts.batches if counts.batches else None for counts, _ in found],
        "largest_batch": [counts.largest_batch or None for counts, _ in found],
        "waiting": [counts.waiting / counts.requests if counts.requests else None for counts, _ in found],
        "most_waiting": [counts.most_waiting if counts.requests else None for counts, _ in found],
    }


def _memory(asked: Window, rows: Iterable[ReplicaMeasure]) -> list[dict[str, Any]]:
    bins: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        line = bins[row.version, row.replica]
        begin = int(row.at.timestamp()) // asked.step * asked.step
        line[begin] = max(line[begin], row.memory_bytes)
    return [
        {"version": version, "replica": replica, "memory_bytes": [line.get(begin) for begin in asked.times]}
        for (version, replica), line in sorted(bins.items())[:MOST_LINES]
    ]


def _rate(count: int, seconds: int) -> float:
    return round(count / seconds, 4)


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def ranges() -> Sequence[tuple[str, str, int]]:
    """(name in the address, what people read, seconds) of the page's choice."""
    return (("15m", "15 minutes", 900), ("1h", "1 hour", 3600), ("1d", "1 day", 86_400), ("7d", "7 days", 604_800))
