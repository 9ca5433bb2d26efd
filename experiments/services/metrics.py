"""Numbers and other logged values: in from a script's lines or over HTTP, out to pages, charts and clients."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from experiments.metrics import (
    Batch,
    Limits,
    Logged,
    Series,
    encode,
    merge,
    read_batch,
    run_metrics,
    thin,
    unpack,
)
from experiments.metrics.logged import Kind
from experiments.models import LoggedValue, Metric, Parameter, Run, RunProperty, Tag
from experiments.services import next_point, points
from experiments.services.runs import require_writer
from mlportal.errors import BadInput, Conflict
from mlportal.texts import storable

DEFAULT_POINTS = 1000
MOST_ASKED = 500  # names in one query: a database takes only so many parameters
MOST_WARNINGS = 20
BAD_LINES = "Lines of metrics.jsonl that are no valid records were skipped"


def ingest(run: Run, records: Sequence[object], *, bad_lines: int = 0) -> Batch:
    """Store lines of metrics.jsonl, and as warnings what was wrong with them; `bad_lines` were no records at all.

    Call it with the run's row locked, in the transaction that remembers how far the file was read.
    """
    names = _scalar_names(records)
    counts = {metric.name: metric.count for metric in _metrics_of(run, names).only("name", "count")}
    room = settings.RUN_METRIC_NAMES - run.metrics.count() if names - counts.keys() else 0
    batch = read_batch(records, limits=Limits(new_names=max(0, room)), counts=counts)
    store(run, batch)
    warn(run, [*batch.reasons, *([BAD_LINES] if bad_lines else [])])
    return batch


@transaction.atomic
def log_metrics(run: Run, records: Sequence[object], *, by: Any) -> Batch:
    """The same lines over HTTP, from the run itself or a contributor. Nothing is stored when a line is not valid.

    A final run still takes numbers and tags, but how it ended stays: Conflict for `fail`.
    """
    require_writer(run, by)
    # Takes the row's lock: batches go one by one.
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1, last_logged_at=Now())
    run.refresh_from_db(fields=["status"])
    batch = ingest(run, records)
    if run.is_final and batch.ending and batch.ending.failed:
        raise Conflict(f"The run is {run.get_status_display().lower()} already; that does not change any more.")
    if batch.problems:
        raise BadInput(batch.problems[0], problems=batch.problems)
    return batch


def log_batch(run: Run, batch: Batch, *, by: Any) -> None:
    """What a client has put together and checked: all of it or nothing. The same batch again changes nothing.

    Raises Conflict `written_once` for a parameter that has another value, Conflict `deleted` for a run in the trash.
    """
    require_writer(run, by)
    write_batch(run, batch)


def write_batch(run: Run, batch: Batch) -> None:
    """The same for who was let through by `require_writer` a moment ago."""
    if not (next_point.is_one(batch) and next_point.add(run, batch)):
        _write_batch(run, batch)


@transaction.atomic
def _write_batch(run: Run, batch: Batch) -> None:
    known = points.touch(run, batch.scalars)
    if known is None:
        raise Conflict("The run is in the trash; restore it first.", code="deleted")
    if batch.params:
        there = dict(run.parameters.filter(name__in=batch.params).values_list("name", "value"))
        changed = {
            name: there[name] for name in batch.params.keys() & there.keys() if there[name] != batch.params[name]
        }
        if changed:
            listed = ", ".join(f"{name!r} is {value!r}" for name, value in sorted(changed.items()))
            raise Conflict(
                f"A parameter is written once. The run {run.uid} has these already: {listed}.",
                code="written_once",
                names=sorted(changed),
            )
    store(run, batch, once=True, known=known, last=True)


def store(run: Run, batch: Batch, *, once: bool = False, known: points.Known | None = None, last: bool = False) -> None:
    """`once`: points that are there already are not stored again; `known` is what `points.touch` found; `last`: nothing
    follows in the transaction."""
    # Lists, for Django goes a long way before it sees that a generator is empty
    LoggedValue.objects.bulk_create(
        [
            LoggedValue(
                run=run,
                name=item.name,
                kind=item.kind,
                description=(item.description or "")[:1000],
                value=item.value,
                time=item.time,
            )
            for item in batch.logged
        ]
    )
    Parameter.objects.bulk_create(
        [Parameter(run=run, name=name, value=value) for name, value in batch.params.items()], ignore_conflicts=True
    )
    RunProperty.objects.bulk_create(
        [RunProperty(run=run, name=name, value=value) for name, value in batch.properties.items()],
        ignore_conflicts=True,
    )
    if batch.untags:
        run.tags.filter(name__in=batch.untags).delete()
    Tag.objects.bulk_create(
        [Tag(run=run, name=name, value=value) for name, value in batch.tags.items()],
        update_conflicts=True,
        unique_fields=["run", "name"],
        update_fields=["value"],
    )
    if batch.ending and batch.ending.failed:
        failure = {
            "type": batch.ending.code or "run.fail",
            "message": batch.ending.message or "The script called run.fail().",
        }
        if Run.objects.active().filter(pk=run.pk).update(failure=failure):
            run.failure = failure
    if batch.scalars:
        points.append(run, batch.scalars, batch.descriptions, once=once, known=known, last=last)


def metric_summaries(run: Run) -> list[dict[str, Any]]:
    """One JSON-safe object a metric: {name, count, last, last_step, last_time, least, least_step, most, most_step, mean}."""
    return [
        {
            "name": metric.name,
            "description": metric.description,
            "count": metric.count,
            "last": encode(metric.summary.last),
            "last_step": metric.last_step,
            "last_time": metric.last_time,
            "least": encode(metric.least),
            "least_step": metric.least_step,
            "most": encode(metric.most),
            "most_step": metric.most_step,
            "mean": encode(metric.mean),
        }
        for metric in run.metrics.all()
    ]


def series(run: Run, names: Sequence[str], *, points: int = DEFAULT_POINTS) -> dict[str, dict[str, Any]]:
    """Thinned curves: {name: {steps, times (epoch seconds), values, count}}; `count` is that of all points.

    BadInput for a number of points that no chart has. Names that the run does not have are left out.
    """
    if not 10 <= points <= 100_000:
        raise BadInput("points is a whole number from 10 to 100000.", field="points")
    curves = {}
    for metric in run.metrics.filter(name__in=names).prefetch_related("chunks"):
        thinned = thin(_whole(metric), points)
        curves[metric.name] = {
            "steps": thinned.steps.tolist(),
            "times": thinned.times.tolist(),
            "values": encode(thinned.values.tolist()),
            "count": metric.count,
        }
    return curves


def history(run: Run, name: str) -> Series:
    """Every point, by time, then step, then value; none when the run has no such metric."""
    metric = run.metrics.filter(name=name).prefetch_related("chunks").first()
    if metric is None:
        return Series.of()
    points = unpack(merge(bytes(chunk.data) for chunk in metric.chunks.all()))
    keys = [
        (time, step, value if value == value else 0.0)
        for time, step, value in zip(points.times, points.steps, points.values, strict=True)
    ]
    if all(before <= after for before, after in pairwise(keys)):
        return points
    return points.take(sorted(range(len(keys)), key=keys.__getitem__))


def logged_values(run: Run) -> list[LoggedValue]:
    return list(run.logged_values.all())


def azure_metrics(run: Run) -> dict[str, Any]:
    """What SDK v1's `run.get_metrics()` returns; numbers that are not finite as "NaN", "Infinity", "-Infinity"."""
    curves = {metric.name: _whole(metric) for metric in run.metrics.prefetch_related("chunks")}
    logged = [
        Logged(row.name, Kind(row.kind), row.time, row.value, row.description or None)
        for row in run.logged_values.all()
    ]
    view = run_metrics(
        curves, logged, image_reference=lambda path: f"aml://artifactId/ExperimentRun/dcid.{run.uid}/{path}"
    )
    encoded = encode(view)
    assert isinstance(encoded, dict)
    return encoded


def _scalar_names(records: Iterable[object]) -> set[str]:
    """The names of numbers that a database can be asked for."""
    scalars = (record for record in records if isinstance(record, dict) and record.get("k") == "scalar")
    names = {name for record in scalars if isinstance(name := record.get("n"), str)}
    return {name for name in names if storable(name) == name}


def _metrics_of(run: Run, names: Collection[str]) -> QuerySet[Metric]:
    """Those of these names; all of the run when that is less to ask for."""
    metrics = Metric.objects.filter(run=run)
    return metrics.filter(name__in=names) if len(names) <= MOST_ASKED else metrics


def warn(run: Run, reasons: Sequence[str]) -> None:
    """What a person is to know of what was left out; each is said once."""
    if not reasons:
        return
    known: list[str] = Run.objects.values_list("warnings", flat=True).get(pk=run.pk)
    run.warnings = list(dict.fromkeys([*known, *map(storable, reasons)]))[:MOST_WARNINGS]
    if run.warnings != known:
        Run.objects.filter(pk=run.pk).update(warnings=run.warnings)


def _whole(metric: Metric) -> Series:
    return unpack(merge(bytes(chunk.data) for chunk in metric.chunks.all())).ordered()
