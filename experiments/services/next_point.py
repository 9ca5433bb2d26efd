"""The usual point: one, after the last of a metric that is there. It needs no look at what is stored, so it is one message.

Its summary grows in the database as `Summary.merge` would have it. Whatever is not usual (a new name, NaN, a point that comes
late or again, a run in the trash) is left to `points`, and so is every thirty-second point, with which the small chunks are
merged that were made here.
"""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

from experiments.metrics import Batch, Series, pack
from experiments.models import Run
from experiments.services.points import CHUNKS, METRICS, RUNS, TOUCHED, touched
from mlportal.statements import NOW, together

BETWEEN_MERGES: Final = 32
LARGE: Final = 1e300  # a sum beyond it may end at infinity, which PostgreSQL refuses

_EXTREME: Final = ", ".join(
    f"{changed} = CASE WHEN %s {sign} {column} OR {column} IS NULL THEN %s ELSE {changed} END"
    for column, sign in (("least", "<"), ("most", ">"))
    for changed in (column, f"{column}_step")
)
_GROWN: Final = f"""\
UPDATE {METRICS} SET "count" = "count" + 1, last = %s, last_is_nan = FALSE, last_step = %s, last_time = %s, {_EXTREME},
total = total + %s, updated_at = {NOW}"""
_IS_USUAL: Final = f"""\
name = %s AND (last_step, last_time) < (%s, %s) AND total BETWEEN -{LARGE} AND {LARGE}
AND "count" %% {BETWEEN_MERGES} <> {BETWEEN_MERGES - 1}"""
_CHUNK: Final = f'INSERT INTO {CHUNKS} (metric_id, first_step, "count", data)'
_GROWS: Final = f"{_GROWN} WHERE run_id = (SELECT id FROM {RUNS} WHERE id = %s AND deleted_at IS NULL) AND {_IS_USUAL}"
_STORED_THEN: Final = (
    f"{_CHUNK} SELECT id, %s, 1, %s FROM {METRICS} WHERE run_id = %s AND name = %s AND changes() = 1 RETURNING id"
)
# One statement, which is a transaction by itself. A metric is taken only after its run's row, for it is looked for by it; who
# had to wait for either goes on from what is stored then.
_STORED_WITH: Final = (
    f"WITH run AS ({TOUCHED}), grown AS ({_GROWN} WHERE run_id = (SELECT id FROM run) AND {_IS_USUAL}"
    f" RETURNING id) {_CHUNK} SELECT id, %s, 1, %s FROM grown RETURNING id"
)


def is_one(batch: Batch) -> bool:
    """Whether it is nothing but one number."""
    others = (batch.descriptions, batch.logged, batch.params, batch.tags, batch.untags, batch.properties, batch.files)
    if len(batch.scalars) != 1 or any(others) or batch.ending:
        return False
    (series,) = batch.scalars.values()
    return len(series) == 1 and abs(series.values[0]) < LARGE


def add(run: Run, batch: Batch) -> bool:
    """Store the point of a batch that `is_one`, or nothing of it: False when it is not the usual one."""
    ((name, series),) = batch.scalars.items()
    return _add(run, name, series)


@transaction.atomic
def _add(run: Run, name: str, series: Series) -> bool:
    step, time, value = series.steps[0], series.times[0], series.values[0]
    extremes = [value, value, value, step] * 2
    grown, usual = [value, step, time, *extremes, value], [name, step, time]
    chunk = [step, memoryview(pack(series))]
    if connection.vendor == "postgresql":
        (stored,) = together((_STORED_WITH, [run.pk, *grown, *usual, *chunk]), last=True)
    else:
        grows = (_GROWS, [*grown, run.pk, *usual])
        *_, stored = together(touched(run), grows, (_STORED_THEN, [*chunk, run.pk, name]))
    return bool(stored)
