"""What a gateway counts of its requests. No Django here: adding a request costs half a microsecond, whatever is stored.

Latencies are counted as HdrHistogram does it (https://hdrhistogram.github.io/HdrHistogram/): whole microseconds, in buckets
of one width up to 16, and from there on 16 to each power of two. A quantile read from them is at most 1/16 too high or low.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time

SUB_BITS = 4
SUBS = 1 << SUB_BITS
MOST_MICROSECONDS = (1 << 28) - 1  # 268 s: longer ones are counted as this
BUCKETS = (28 - SUB_BITS + 1) * SUBS
PIECE_SECONDS = 10
HEAP = 256
MOST_PIECES = 360  # that wait for a database that is away: an hour


def bucket_of(microseconds: int) -> int:
    """The number of the bucket of a latency."""
    if microseconds < SUBS:
        return max(microseconds, 0)
    microseconds = min(microseconds, MOST_MICROSECONDS)
    shift = microseconds.bit_length() - SUB_BITS - 1
    return (shift << SUB_BITS) + (microseconds >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """(first, one beyond the last) microsecond of a bucket."""
    if bucket < SUBS:
        return bucket, bucket + 1
    shift = (bucket >> SUB_BITS) - 1
    first = (bucket - (shift << SUB_BITS)) << shift
    return first, first + (1 << shift)


def quantile(latencies: Mapping[int, int], q: float) -> float | None:
    """The latency in seconds that the share `q` of the requests did not pass; in its bucket it is interpolated."""
    total = sum(latencies.values())
    if not total:
        return None
    wanted, below = q * total, 0
    for bucket in sorted(latencies):
        count = latencies[bucket]
        if count and below + count >= wanted:
            first, beyond = bounds_of(bucket)
            return (first + (beyond - first) * max(0.0, wanted - below) / count) / 1e6
        below += count
    return bounds_of(max(latencies))[1] / 1e6


def up_to(latencies: Mapping[int, int], microseconds: int) -> int:
    """How many requests took less than this; exact where a bucket begins there, as at powers of two."""
    return sum(count for bucket, count in latencies.items() if bounds_of(bucket)[1] <= microseconds)


@dataclass(slots=True)
class Cell:
    """Requests of one version of a service, in one piece of time."""

    requests: int = 0
    statuses: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    latencies: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    seconds: float = 0.0
    rows: int = 0
    batches: int = 0
    batched_requests: int = 0
    batched_rows: int = 0
    largest_batch: int = 0
    model_seconds: float = 0.0
    waiting: int = 0
    most_waiting: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What was counted from `start` (Unix time) on, by (id of the service, version)."""

    start: int
    cells: Mapping[tuple[str, str], Cell]


class Measures:
    """Counts. Any thread may add; what is added is put on a heap first, which costs a request least."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heap: deque[tuple[str, str, int, float, int, int]] = deque()
        self._calls: deque[tuple[str, str, int, int, float]] = deque()
        self._cells: dict[tuple[str, str], Cell] = {}
        self._end = 0
        self._closed: deque[Piece] = deque(maxlen=MOST_PIECES)

    def request(
        self, deployment_id: str, version: str, status: int, seconds: float, rows: int = 0, waiting: int = 0
    ) -> None:
        """Count one request; `waiting` is how many were inside with it."""
        self._heap.append((deployment_id, version, status, seconds, rows, waiting))
        if len(self._heap) >= HEAP:
            with self._lock:
                self._add_up()

    def batch(self, deployment_id: str, version: str, requests: int, rows: int, seconds: float) -> None:
        """Count one call of the model, which answered that many requests."""
        self._calls.append((deployment_id, version, requests, rows, seconds))
        if len(self._calls) >= HEAP:
            with self._lock:
                self._add_up()

    def take(self, *, all_of_it: bool = False) -> list[Piece]:
        """The pieces of time that are over; with `all_of_it` the one that goes on, too."""
        with self._lock:
            self._add_up()
            if all_of_it:
                self._close()
            closed = list(self._closed)
            self._closed.clear()
        return closed

    def put_back(self, pieces: list[Piece]) -> None:
        """What was taken and could not be written; the oldest of too many are dropped."""
        with self._lock:
            self._closed = deque([*pieces, *self._closed], maxlen=MOST_PIECES)

    @property
    def is_empty(self) -> bool:
        return not self._heap and not self._calls and not self._cells and not self._closed

    def _add_up(self) -> None:
        self._turn()
        cells, take = self._cells, self._heap.popleft
        for _ in range(len(self._heap)):
            deployment_id, version, status, seconds, rows, waiting = take()
            cell = cells.get((deployment_id, version))
            if cell is None:
                cell = cells[deployment_id, version] = Cell()
            micro = int(seconds * 1e6)
            if SUBS <= micro <= MOST_MICROSECONDS:  # as bucket_of, without the call
                shift = micro.bit_length() - SUB_BITS - 1
                cell.latencies[(shift << SUB_BITS) + (micro >> shift)] += 1
            else:
                cell.latencies[bucket_of(micro)] += 1
            cell.requests += 1
            cell.statuses[status] += 1
            cell.seconds += seconds
            cell.rows += rows
            cell.waiting += waiting
            if waiting > cell.most_waiting:
                cell.most_waiting = waiting
        for _ in range(len(self._calls)):
            deployment_id, version, requests, rows, seconds = self._calls.popleft()
            cell = cells.setdefault((deployment_id, version), Cell())
            cell.batches += 1
            cell.batched_requests += requests
            cell.batched_rows += rows
            cell.largest_batch = max(cell.largest_batch, rows)
            cell.model_seconds += seconds

    def _turn(self) -> None:
        """Close the piece of time that is over."""
        now = time()
        if now >= self._end:
            self._close()
            self._end = (int(now) // PIECE_SECONDS + 1) * PIECE_SECONDS

    def _close(self) -> None:
        if self._cells:
            self._closed.append(Piece(self._end - PIECE_SECONDS, self._cells))
            self._cells = {}
