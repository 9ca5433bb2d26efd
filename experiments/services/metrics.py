"""Numbers and other logged values: in from a script's lines or over HTTP, out to pages, charts and clients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from experiments.metrics import Batch, Logged, Series, encode, merge, pack, read_batch, run_metrics, thin, unpack
from experiments.metrics.logged import Kind
from experiments.models import LoggedValue, Metric, MetricChunk, Parameter, Run, RunProperty, Tag
from experiments.services.runs import require_writer
from mlportal.errors import BadInput

CHUNK_POINTS = 8192  # 192 KiB: a chunk that grows is written again with every batch, one that is full never
DEFAULT_POINTS = 1000


def ingest(run: Run, records: Iterable[object]) -> Batch:
    """Store lines of metrics.jsonl. Call it in the transaction that remembers how far the file was read."""
    counts = dict(Metric.objects.filter(run=run).values_list("name", "count"))
    batch = read_batch(records, counts=counts)
    store(run, batch)
    return batch


@transaction.atomic
def log_metrics(run: Run, records: Sequence[object], *, by: Any) -> Batch:
    """The same lines over HTTP, from the run itself or a contributor. Nothing is stored when a line is not valid."""
    require_writer(run, by)
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)  # takes the row's lock: batches go one by one
    batch = ingest(run, records)
    if batch.problems:
        raise BadInput(batch.problems[0], problems=batch.problems)
    return batch


def store(run: Run, batch: Batch) -> None:
    for name, series in batch.scalars.items():
        _append(run, name, series, batch.descriptions.get(name, ""))
    LoggedValue.objects.bulk_create(
        LoggedValue(
            run=run,
            name=item.name,
            kind=item.kind,
            description=(item.description or "")[:1000],
            value=item.value,
            time=item.time,
        )
        for item in batch.logged
    )
    Parameter.objects.bulk_create(
        (Parameter(run=run, name=name, value=value) for name, value in batch.params.items()), ignore_conflicts=True
    )
    RunProperty.objects.bulk_create(
        (RunProperty(run=run, name=name, value=value) for name, value in batch.properties.items()),
        ignore_conflicts=True,
    )
    if batch.untags:
        run.tags.filter(name__in=batch.untags).delete()
    for name, tag_value in batch.tags.items():
        Tag.objects.update_or_create(run=run, name=name, defaults={"value": tag_value})
    if batch.ending and batch.ending.failed:
        run.failure = {
            "type": batch.ending.code or "run.fail",
            "message": batch.ending.message or "The script called run.fail().",
        }
        Run.objects.filter(pk=run.pk).update(failure=run.failure)


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


def _append(run: Run, name: str, more: Series, description: str) -> None:
    metric, _ = Metric.objects.select_for_update().get_or_create(run=run, name=name)
    metric.summary = metric.summary.update(more)
    metric.description = description[:1000] or metric.description
    metric.updated_at = timezone.now()
    metric.save()
    packed = pack(more)
    last = metric.chunks.order_by("-pk").first()
    if last and last.count + len(more) <= CHUNK_POINTS:
        last.data, last.count = merge([bytes(last.data), packed]), last.count + len(more)
        last.save(update_fields=["data", "count"])
    else:
        MetricChunk.objects.create(metric=metric, first_step=more.steps[0], count=len(more), data=packed)


def _whole(metric: Metric) -> Series:
    return unpack(merge(bytes(chunk.data) for chunk in metric.chunks.all())).ordered()
