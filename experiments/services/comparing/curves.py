"""The curves of many runs in one answer, each thinned; however long they are, one at a time is in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.conf import settings

from experiments.metrics import encode, merge, thin, unpack
from experiments.models import Metric, MetricChunk, Run

READ_AT_ONCE = 50  # chunks; one has some hundred kilobytes


@dataclass(frozen=True)
class Curves:
    """{metric: {uid of a run: {steps, times (epoch seconds), values, count}}}; `left_out` curves had too many points."""

    curves: dict[str, dict[str, dict[str, Any]]]
    left_out: int


def compared_curves(runs: Sequence[Run], names: Sequence[str], *, points: int) -> Curves:
    """At most `points` of each curve. Runs that do not have a metric are left out of it.

    Curves are read in the order of `names`, then of `runs`, until they have `settings.COMPARE_POINTS` points together.
    """
    places = {run.pk: at for at, run in enumerate(runs)}
    order = {name: at for at, name in enumerate(dict.fromkeys(names))}
    rows = Metric.objects.filter(run__in=places, name__in=order).order_by()
    metrics = sorted(rows.values_list("pk", "name", "run_id", "count"), key=lambda row: (order[row[1]], places[row[2]]))
    room = settings.COMPARE_POINTS
    wanted = {}
    for pk, name, run, count in metrics:
        room -= count
        if room >= 0:
            wanted[pk] = (name, runs[places[run]].uid, count)
    curves: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in order}
    chunks = MetricChunk.objects.filter(metric__in=wanted).order_by("metric_id", "pk").values_list("metric_id", "data")
    for pk, parts in groupby(chunks.iterator(READ_AT_ONCE), key=itemgetter(0)):
        name, uid, count = wanted[pk]
        thinned = thin(unpack(merge(bytes(data) for _, data in parts)), points)
        curves[name][uid] = {
            "steps": thinned.steps.tolist(),
            "times": thinned.times.tolist(),
            "values": encode(thinned.values.tolist()),
            "count": count,
        }
    return Curves(curves, left_out=len(metrics) - len(wanted))
