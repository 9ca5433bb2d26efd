"""Whether what is here already is what would be imported."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping

from experiments.models import Metric, Run, RunEvent
from experiments.search.attributes import PARENT_TAG
from experiments.services.importing import ImportedRun
from experiments.status import RUN_FINAL

Latest = Mapping[str, tuple[float, int, int]]
"""{name of a metric: (value, time in milliseconds, step)}"""


def was_imported(run: Run) -> bool:
    return RunEvent.objects.filter(run=run, old="", reason__startswith="imported from ").exists()


def differences(run: Run, item: ImportedRun, latest: Latest, experiment: str) -> list[str]:
    """What is another than in the source; empty when they are the same."""
    tags = {name: value or "" for name, value in run.tags.values_list("name", "value")}
    if run.parent:
        tags[PARENT_TAG] = run.parent.uid
    datasets = {
        (each.name, each.digest, each.source_type, each.source, each.schema, each.profile, frozenset(each.tags.items()))
        for each in run.logged_datasets.all()
    }
    wanted = {
        (each.name, each.digest, each.source_type, each.source, each.schema, each.profile, frozenset(each.tags.items()))
        for each in item.datasets
    }
    pairs = {
        "experiment": (run.experiment.name, experiment),
        "name": (run.name, item.name),
        "status": (run.status, item.status),
        "start": (run.started_at, item.started_at),
        "end": (run.ended_at, item.ended_at if item.status in RUN_FINAL else None),
        "deletion": (run.deleted_at is not None, item.is_deleted),
        "parameters": (dict(run.parameters.values_list("name", "value")), dict(item.params)),
        "tags": (tags, dict(item.tags)),
        "metrics": (_shown(_latest(run)), _shown(latest)),
        "data": (datasets, wanted),
    }
    return [name for name, (here, there) in pairs.items() if here != there]


def _latest(run: Run) -> Latest:
    rows = Metric.objects.filter(run=run, count__gt=0)
    return {row.name: (row.summary.last or 0.0, round((row.last_time or 0) * 1000), row.last_step or 0) for row in rows}


def _shown(latest: Latest) -> dict[str, tuple[str, int, int]]:
    """NaN is equal to NaN here, and infinity to the greatest number, as which MLflow's databases keep it."""
    return {name: (repr(_finite(float(value))), time, step) for name, (value, time, step) in latest.items()}


def _finite(value: float) -> float:
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value
