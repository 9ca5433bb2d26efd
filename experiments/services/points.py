"""Points into chunks and summaries. This is the one thing that is written thousands of times a second, so it is plain SQL:
a handful of statements however many names come at once.

Chunks that are smaller than `MetricChunk.LOOSE` are merged with what comes, each with at least half as much: a point is
written again a few times on its way into a full chunk, and a metric never has more than a dozen small ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from experiments.metrics import Series, Summary, merge, pack, unpack
from experiments.models import Metric, MetricChunk, Run
from experiments.models.measurements import summary_of, values_of
from mlportal.errors import BadInput

MOST_ASKED: Final = 500  # names or keys in one query: a database takes only so many parameters
METRICS: Final = connection.ops.quote_name(Metric._meta.db_table)
RUNS: Final = connection.ops.quote_name(Run._meta.db_table)
# Django's own Now(), without the building of a query.
NOW: Final = "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')" if connection.vendor == "sqlite" else "STATEMENT_TIMESTAMP()"
CHUNKS: Final = connection.ops.quote_name(MetricChunk._meta.db_table)
COLUMNS: Final = tuple(f'"{column}"' for column in Metric.SUMMARY)
# The bound stands in the text, for only so the planner sees that the partial index has these rows.
LOOSE: Final = f'"count" < {MetricChunk.LOOSE}'


def touch(run: Run) -> bool:
    """Takes the run's row until the transaction ends, so that batches go one by one; False when it is in the trash."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {RUNS} SET revision = revision + 1, last_logged_at = {NOW} WHERE id = %s AND deleted_at IS NULL",
            [run.pk],
        )
        return bool(cursor.rowcount)


def append(
    run: Run, scalars: Mapping[str, Series], descriptions: Mapping[str, str] | None = None, *, once: bool = False
) -> None:
    """Store the points. `once`: a point that is there already, in step, time and value, is not stored again.

    Call it in a transaction that holds the run's row.
    """
    descriptions = descriptions or {}
    with connection.cursor() as cursor:
        known = _known(cursor, run, list(scalars))
        if once:
            scalars = _without_known(cursor, scalars, known)
        if not scalars:
            return
        if len(known) < len(scalars):
            _refuse_names(run, len(scalars.keys() - known.keys()))
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        changed = [
            (
                *values_of(known[name][2].merge(Summary.of(series))),
                _described(descriptions, name, known[name][1]),
                now,
                known[name][0],
            )
            for name, series in scalars.items()
            if name in known
        ]
        if changed:
            fields = ", ".join(f"{column} = %s" for column in (*COLUMNS, "description", "updated_at"))
            cursor.executemany(f"UPDATE {METRICS} SET {fields} WHERE id = %s", changed)
        keys = {name: known[name][0] for name in scalars if name in known}
        keys |= _add(run, {name: scalars[name] for name in scalars if name not in known}, descriptions)
        _write(
            cursor, {keys[name]: series for name, series in scalars.items()}, old={key for key, *_ in known.values()}
        )


def _refuse_names(run: Run, new: int) -> None:
    """`ingest` lets in only as many as there is room for; who logs over HTTP is told."""
    limit = settings.RUN_METRIC_NAMES
    if run.metrics.count() + new > limit:
        raise BadInput(f"A run has at most {limit} names of metrics (MLPORTAL_METRIC_NAMES).", limit=limit)


def _known(cursor: Any, run: Run, names: Sequence[str]) -> dict[str, tuple[int, str, Summary]]:
    found = {}
    for some in _batches(names):
        cursor.execute(
            f"SELECT id, name, description, {', '.join(COLUMNS)} FROM {METRICS}"
            f" WHERE run_id = %s AND name IN ({_places(some)})",
            [run.pk, *some],
        )
        for key, name, description, *values in cursor.fetchall():
            found[name] = (key, description, summary_of(values))
    return found


def _add(run: Run, scalars: Mapping[str, Series], descriptions: Mapping[str, str]) -> dict[str, int]:
    """The keys of the new metrics."""
    made = []
    for name in sorted(scalars):
        metric = Metric(run=run, name=name, description=_described(descriptions, name))
        metric.summary = Summary.of(scalars[name])
        made.append(metric)
    return {metric.name: metric.pk for metric in Metric.objects.bulk_create(made, batch_size=500)}


def _described(descriptions: Mapping[str, str], name: str, before: str = "") -> str:
    return descriptions.get(name, "")[:1000] or before


def _write(cursor: Any, series: Mapping[int, Series], *, old: set[int]) -> None:
    """One new chunk for each metric, with the small ones at its end merged into it."""
    takes: dict[int, list[int]] = {}
    for some in _batches([key for key in series if key in old]):
        cursor.execute(
            f'SELECT id, metric_id, "count" FROM {CHUNKS} WHERE metric_id IN ({_places(some)}) AND {LOOSE} ORDER BY id DESC',
            some,
        )
        sizes = {key: len(series[key]) for key in some}
        ended: set[int] = set()
        for chunk, key, count in cursor.fetchall():
            if key in ended or count > 2 * sizes[key]:
                ended.add(key)
                continue
            sizes[key] += count
            takes.setdefault(key, []).append(chunk)
    data: dict[int, bytes] = {}
    for some in _batches([chunk for chunks in takes.values() for chunk in chunks]):
        cursor.execute(f"SELECT id, data FROM {CHUNKS} WHERE id IN ({_places(some)})", some)
        data.update((chunk, bytes(content)) for chunk, content in cursor.fetchall())
        cursor.execute(f"DELETE FROM {CHUNKS} WHERE id IN ({_places(some)})", some)
    rows = []
    for key, points in series.items():
        content, first, count = pack(points), points.steps[0], len(points)
        if taken := takes.get(key):
            content = merge([*(data[chunk] for chunk in reversed(taken)), content])
            whole = unpack(content)
            first, count = whole.steps[0], len(whole)
        rows.append((key, first, count, memoryview(content)))
    cursor.executemany(f'INSERT INTO {CHUNKS} (metric_id, first_step, "count", data) VALUES (%s, %s, %s, %s)', rows)


def _without_known(
    cursor: Any, scalars: Mapping[str, Series], known: Mapping[str, tuple[int, str, Summary]]
) -> dict[str, Series]:
    """Only the points that are not there. Those after the last one, in the order of step and time, need no look."""
    kept = {}
    for name, series in scalars.items():
        seen: set[tuple[int, float, bytes]] = set()
        if name in known and not _is_later(series, known[name][2]):
            seen = _there(cursor, known[name][0], series)
        rows = list(zip(series.steps, series.times, _bits(series.values), strict=True))
        new = [index for index, row in enumerate(rows) if not (row in seen or seen.add(row))]  # type: ignore[func-returns-value]
        if len(new) == len(rows):
            kept[name] = series
        elif new:
            kept[name] = series.take(new)
    return kept


def _is_later(series: Series, summary: Summary) -> bool:
    last = (summary.last_step or 0, summary.last_time or 0.0)
    return min(zip(series.steps, series.times, strict=True)) > last


def _there(cursor: Any, key: int, series: Series) -> set[tuple[int, float, bytes]]:
    """Those of the stored points that have a step of the series."""
    steps = set(series.steps)
    found: set[tuple[int, float, bytes]] = set()
    cursor.execute(f"SELECT data FROM {CHUNKS} WHERE metric_id = %s", [key])
    for (content,) in cursor.fetchall():
        stored = unpack(bytes(content))
        if steps.isdisjoint(stored.steps):
            continue
        found.update(
            row for row in zip(stored.steps, stored.times, _bits(stored.values), strict=True) if row[0] in steps
        )
    return found


def _bits(values: array[float]) -> list[bytes]:
    """The values by their bits, for NaN is not equal to itself."""
    whole = values.tobytes()
    return [whole[at : at + 8] for at in range(0, len(whole), 8)]


def _places(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), MOST_ASKED):
        yield values[start : start + MOST_ASKED]
