"""Points into chunks and summaries. This is the one thing that is written thousands of times a second, so it is plain SQL:
a handful of statements however many names come at once, in two messages to a server.

Chunks that are smaller than `MetricChunk.LOOSE` are merged with what comes, each with at least half as much: a point is
written again a few times on its way into a full chunk, and a metric never has more than a dozen small ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from experiments.metrics import Series, Summary, merge, pack, unpack
from experiments.models import Metric, MetricChunk, Run
from experiments.models.measurements import summary_of, values_of
from mlportal.errors import BadInput
from mlportal.statements import NOW, Each, Rows, Statement, among, among_texts, insert, is_among, together

FEW_POINTS: Final = 64  # so many are read with the look at what is there, whether they are needed or not
MOST_BYTES: Final = 4_000_000
METRICS: Final = connection.ops.quote_name(Metric._meta.db_table)
RUNS: Final = connection.ops.quote_name(Run._meta.db_table)
CHUNKS: Final = connection.ops.quote_name(MetricChunk._meta.db_table)
COLUMNS: Final = tuple(f'"{column}"' for column in Metric.SUMMARY)
TOUCHED: Final = f"UPDATE {RUNS} SET revision = revision + 1, last_logged_at = {NOW} WHERE id = %s AND deleted_at IS NULL RETURNING id"
# The bound stands in the text, for only so the planner sees that the partial index has these rows.
LOOSE: Final = f'"count" < {MetricChunk.LOOSE}'
_NAMED: Final = is_among("m.name", "text")
_SUMMARIES: Final = (
    f"SELECT id, name, description, {', '.join(COLUMNS)} FROM {METRICS} m WHERE run_id = %s AND {_NAMED}"
)
# A cross join, so that SQLite begins at the metric
_LOOSE_CHUNKS: Final = f"""\
SELECT c.id, c.metric_id, c."count", CASE WHEN c."count" <= %s THEN c.data END
FROM {METRICS} m CROSS JOIN {CHUNKS} c WHERE m.run_id = %s AND {_NAMED} AND c.metric_id = m.id AND c.{LOOSE} ORDER BY c.id DESC"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored under the names that come: by name a metric's key, description and summary; and the small chunks, the
    newest first, each with its key, that of its metric, its count, and its bytes when they are few."""

    metrics: dict[str, tuple[int, str, Summary]]
    loose: list[tuple[int, int, int, bytes | None]]


def touch(run: Run, scalars: Mapping[str, Series] | None = None) -> Known | None:
    """Takes the run's row until the transaction ends, so that batches go one by one, and looks what is there under the names;
    None when it is in the trash."""
    changed, *found = together(touched(run), *_questions(run, scalars or {}))
    return _known(found) if changed else None


def touched(run: Run) -> Statement:
    """Gives the run's key, unless it is in the trash."""
    return TOUCHED, [run.pk]


def append(
    run: Run,
    scalars: Mapping[str, Series],
    descriptions: Mapping[str, str] | None = None,
    *,
    once: bool = False,
    known: Known | None = None,
    last: bool = False,
) -> None:
    """Store the points. `once`: a point that is there already, in step, time and value, is not stored again. `known` is what
    `touch` has found for these names. `last`: nothing follows in the transaction.

    Call it in a transaction that holds the run's row.
    """
    descriptions = descriptions or {}
    known = known or _known(together(*_questions(run, scalars)))
    if once:
        scalars = _without_known(scalars, known.metrics)
    if not scalars:
        return
    if len(known.metrics) < len(scalars):
        _refuse_names(run, len(scalars.keys() - known.metrics.keys()))
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    fields = ", ".join(f"{column} = %s" for column in (*COLUMNS, "description", "updated_at"))
    changed, new, keys = [], {}, {}
    for name, series in scalars.items():
        if name not in known.metrics:
            new[name] = series
            continue
        keys[name], description, summary = known.metrics[name]
        summary = summary.merge(Summary.of(series))
        changed.append((*values_of(summary), _described(descriptions, name, description), now, keys[name]))
    keys |= _add(run, new, descriptions)
    written = _chunks({keys[name]: series for name, series in scalars.items()}, known)
    _send([Each(f"UPDATE {METRICS} SET {fields} WHERE id = %s", changed), *written], last=last)


def _refuse_names(run: Run, new: int) -> None:
    """`ingest` lets in only as many as there is room for; who logs over HTTP is told."""
    limit = settings.RUN_METRIC_NAMES
    if run.metrics.count() + new > limit:
        raise BadInput(f"A run has at most {limit} names of metrics (MLPORTAL_METRIC_NAMES).", limit=limit)


def _questions(run: Run, scalars: Mapping[str, Series]) -> list[Statement]:
    """Of which `_known` makes something; none where nothing comes."""
    if not scalars:
        return []
    few = max([FEW_POINTS, *(2 * len(series) for series in scalars.values())])
    names = among_texts(scalars)
    return [(_SUMMARIES, [run.pk, names]), (_LOOSE_CHUNKS, [few, run.pk, names])]


def _known(found: Sequence[Rows]) -> Known:
    summaries, loose = found or ([], [])
    metrics = {name: (key, description, summary_of(values)) for key, name, description, *values in summaries}
    return Known(metrics, [(*row[:3], row[3]) for row in loose])


def _add(run: Run, scalars: Mapping[str, Series], descriptions: Mapping[str, str]) -> dict[str, int]:
    """The keys of the new metrics."""
    made = []
    for name in sorted(scalars):
        metric = Metric(run=run, name=name, description=_described(descriptions, name))
        metric.summary = Summary.of(scalars[name])
        made.append(metric)
    insert(made)
    return {metric.name: metric.pk for metric in made}


def _described(descriptions: Mapping[str, str], name: str, before: str = "") -> str:
    return descriptions.get(name, "")[:1000] or before


def _chunks(series: Mapping[int, Series], known: Known) -> Iterator[Each]:
    """One chunk for each metric, new or the oldest of the small ones at its end, which are merged into it."""
    takes: dict[int, list[int]] = {}
    sizes = {key: len(points) for key, points in series.items()}
    data: dict[int, bytes] = {}
    ended: set[int] = set()
    for chunk, key, count, content in known.loose:
        if key not in series or key in ended:
            continue
        if count > 2 * sizes[key]:
            ended.add(key)
            continue
        sizes[key] += count
        takes.setdefault(key, []).append(chunk)
        if content is not None:
            data[chunk] = bytes(content)
    long = [chunk for chunks in takes.values() for chunk in chunks if chunk not in data]
    if long:
        (rows,) = together((f"SELECT id, data FROM {CHUNKS} WHERE {is_among('id')}", [among(long)]))
        data.update((chunk, bytes(content)) for chunk, content in rows)
    new, longer, gone = [], [], []
    for key, points in series.items():
        content = pack(points)
        if taken := takes.get(key):
            content = merge([*(data[chunk] for chunk in reversed(taken)), content])
            longer.append((sizes[key], memoryview(content), taken[-1]))
            gone += [(chunk,) for chunk in taken[:-1]]
        else:
            new.append((key, points.steps[0], sizes[key], memoryview(content)))
    yield Each(f'UPDATE {CHUNKS} SET "count" = %s, data = %s WHERE id = %s', longer)
    yield Each(f"DELETE FROM {CHUNKS} WHERE id = %s", gone)
    yield Each(f'INSERT INTO {CHUNKS} (metric_id, first_step, "count", data) VALUES (%s, %s, %s, %s)', new)


def _send(statements: Sequence[Each], *, last: bool) -> None:
    """Together, unless that would be a message of many megabytes."""
    size = sum(len(value) for each in statements for row in each.rows for value in row if isinstance(value, memoryview))
    if size <= MOST_BYTES:
        together(*(each for each in statements if each.rows), last=last)
        return
    with connection.cursor() as cursor:
        for each in statements:
            cursor.executemany(each.text, each.rows)


def _without_known(scalars: Mapping[str, Series], known: Mapping[str, tuple[int, str, Summary]]) -> dict[str, Series]:
    """Only the points that are not there. Those after the last one, in the order of step and time, need no look."""
    kept = {}
    for name, series in scalars.items():
        is_new = name not in known or _is_later(series, known[name][2])
        if is_new and len(set(series.steps)) == len(series):
            kept[name] = series
            continue
        seen = set() if is_new else _there(known[name][0], series)
        rows = list(zip(series.steps, series.times, _bits(series.values), strict=True))
        new = [index for index, row in enumerate(rows) if not (row in seen or seen.add(row))]  # type: ignore[func-returns-value]
        if len(new) == len(rows):
            kept[name] = series
        elif new:
            kept[name] = series.take(new)
    return kept


def _is_later(series: Series, summary: Summary) -> bool:
    last = (summary.last_step or 0, summary.last_time or 0.0)
    return min(series.steps) > last[0] or min(zip(series.steps, series.times, strict=True)) > last


def _there(key: int, series: Series) -> set[tuple[int, float, bytes]]:
    """Those of the stored points that have a step of the series."""
    steps = set(series.steps)
    found: set[tuple[int, float, bytes]] = set()
    (rows,) = together((f"SELECT data FROM {CHUNKS} WHERE metric_id = %s", [key]))
    for (content,) in rows:
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
