"""Sampled requests become rows, which are bounded by number and age, and a table for people."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Length
from django.utils import timezone

from mlportal.texts import storable
from models_registry.models import ActualValue, Deployment, SampledRequest, Watch
from models_registry.services.monitoring.packing import Sampled, pack, unpack
from models_registry.serving.sampling import Sample
from models_registry.serving.worker import protocol

logger = logging.getLogger(__name__)
MOST_ROWS = 1000  # of one request
PRUNE_SECONDS = 10
AT_A_TIME = 500
_pruned: dict[int, float] = {}


def keep_samples(samples: Sequence[Sample]) -> None:
    """Called by the thread that writes. What has no rows that belong to its predictions is left out."""
    watched = Watch.objects.filter(deployment__in={int(each.deployment_id) for each in samples}, sample_percent__gt=0)
    limits = dict(watched.values_list("deployment", "sample_rows"))
    read = [(each, limits.get(int(each.deployment_id), 0)) for each in samples]
    rows = [row for sample, limit in read if (row := _row(sample, min(MOST_ROWS, limit))) is not None]
    with transaction.atomic():
        there = set(watched.select_for_update().values_list("deployment", flat=True))  # not deleted meanwhile
        SampledRequest.objects.bulk_create(
            (row for row in rows if row.deployment_id in there), ignore_conflicts=True, batch_size=AT_A_TIME
        )
    for deployment, limit in limits.items():
        if time.monotonic() - _pruned.get(deployment, -PRUNE_SECONDS) >= PRUNE_SECONDS:
            _pruned[deployment] = time.monotonic()
            prune(deployment, limit)


def prune(deployment: int, limit: int) -> None:
    """Only the newest requests, with at most that many rows together and MLPORTAL_SAMPLED_SIZE bytes, stay."""
    kept = taken = 0
    found = SampledRequest.objects.filter(deployment=deployment)
    for pk, rows, size in found.order_by("-pk").values_list("pk", "rows", Length("data")).iterator():
        kept, taken = kept + rows, taken + size
        if kept > limit or taken > settings.SAMPLED_BYTES:
            found.filter(pk__lte=pk).delete()
            return


def tidy_samples() -> None:
    """What is older than MLPORTAL_SAMPLES goes, and what is beyond the bound of a service that is asked no more."""
    SampledRequest.objects.filter(at__lt=timezone.now() - timedelta(seconds=settings.SAMPLES_SECONDS)).delete()
    for deployment, limit in Watch.objects.values_list("deployment", "sample_rows"):
        prune(deployment, limit)


def _row(sample: Sample, most: int) -> SampledRequest | None:
    describe = sample.describe
    read = _of_script(sample) if hasattr(sample.payload, "body") else _of_model(sample)
    if read is None:
        return None
    columns, rows, predictions = read
    if not isinstance(rows, list) or not isinstance(predictions, list) or len(rows) != len(predictions):
        return None
    kept, data = min(len(rows), most), None
    try:
        while (
            kept and (data := pack(columns, rows[:kept], predictions[:kept], describe.get("classes") or None)) is None
        ):
            kept //= 2
    except (TypeError, ValueError) as error:  # a text that is no Unicode
        logger.info("Request %s was not sampled: %s", sample.request_id, error)
    if data is None:
        return None
    return SampledRequest(
        deployment_id=int(sample.deployment_id),
        request_id=sample.request_id,
        version=sample.version,
        method=str(storable(sample.method))[:60],
        at=datetime.fromtimestamp(sample.time, UTC),
        rows=kept,
        data=data,
    )


def _of_model(sample: Sample) -> tuple[list[str], Any, Any] | None:
    payload, result = _opened(sample.payload), sample.result
    rows = payload.get("rows") if isinstance(payload, dict) else payload
    if not hasattr(rows, "__getitem__") or not hasattr(result, "__getitem__"):
        return None
    return list(sample.describe.get("feature_names") or []), _cells(_lists(rows)), _lists(result)


def _opened(payload: Any) -> Any:
    """Large ones are on their way as the bytes that are sent to the model worker."""
    if not isinstance(payload, protocol.Body):
        return payload
    if payload.kind != protocol.ARRAY:
        return orjson.loads(b"".join(payload.parts))
    shape = np.frombuffer(payload.parts[0], dtype="<u8")
    return np.frombuffer(payload.parts[1], dtype=protocol.DTYPES[payload.dtype]).reshape(shape)


def _cells(rows: Any) -> Any:
    """Of models that take one value a row, each is a row of one cell."""
    return [row if isinstance(row, list) else [row] for row in rows] if isinstance(rows, list) else rows


def _lists(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else values


def _of_script(sample: Sample) -> tuple[list[str], Any, Any] | None:
    """Of a script nobody knows what it takes; {"data": rows} that is answered by a list as long is what most do."""
    try:
        asked, answer = orjson.loads(sample.payload.body), orjson.loads(sample.result.body)
        if isinstance(answer, str):  # many return json.dumps(…)
            answer = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    rows = asked.get("data") if isinstance(asked, dict) else asked
    if isinstance(answer, dict):
        answer = next((each for each in answer.values() if isinstance(each, list)), None)
    if not isinstance(rows, list) or not isinstance(answer, list) or not rows:
        return None
    if all(isinstance(row, dict) for row in rows):
        columns = [str(name) for name in rows[0]]
        return columns, [[row.get(name) for name in columns] for row in rows], answer
    return [], _cells(rows), answer


def names_of(sampled: Sampled, known: Sequence[str] = ()) -> list[str]:
    """The columns' names; where the model has none those that are known, or x0, x1, …"""
    width = max(map(len, sampled.rows), default=0)
    if len(sampled.columns) == width:
        return sampled.columns
    return list(known) if len(known) == width else [f"x{place}" for place in range(width)]


def read_samples(deployment: Deployment, version: str = "") -> Iterator[tuple[SampledRequest, Sampled]]:
    """The requests that are kept, oldest first."""
    found = deployment.samples.order_by("pk")
    for row in (found.filter(version=version) if version else found).iterator(chunk_size=AT_A_TIME):
        yield row, unpack(row.data)


def samples_table(deployment: Deployment, version: str = "") -> tuple[list[str], Iterator[list[Any]]]:
    """(names, rows): the prediction's id, when, version, method, the features, the prediction, and the actual value.

    Requests are read twice, one after the other: all of them at once would not be in memory.
    """
    features: dict[str, None] = {}
    for _, sampled in read_samples(deployment, version):
        features |= dict.fromkeys(names_of(sampled))
    names = ["prediction_id", "at", "version", "method", *features, "prediction", "actual"]
    return names, _table(deployment, version, list(features))


def _table(deployment: Deployment, version: str, features: Sequence[str]) -> Iterator[list[Any]]:
    actual = {
        (request, row): value
        for request, row, value in ActualValue.objects.filter(sampled__deployment=deployment).values_list(
            "sampled", "row", "value"
        )
    }
    for row, sampled in read_samples(deployment, version):
        names = names_of(sampled)
        for number, (cells, predicted) in enumerate(zip(sampled.rows, sampled.predictions, strict=True)):
            given = dict(zip(names, cells, strict=False))
            yield [
                f"{row.request_id}/{number}",
                row.at,
                row.version,
                row.method,
                *(given.get(name) for name in features),
                predicted if not isinstance(predicted, (list, dict)) else json.dumps(predicted),
                actual.get((row.pk, number)),
            ]
