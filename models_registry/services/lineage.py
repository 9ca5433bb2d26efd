"""What a version keeps of a run that is deleted for good: where it came from can still be read."""

from collections.abc import Sequence
from typing import Any

from experiments.metrics import encode
from experiments.models import Run
from experiments.querysets import RunQuerySet
from models_registry.models import ModelVersion

MOST = 100  # parameters, and as many metrics


def keep_lineage(runs: Sequence[int]) -> None:
    """Write it down for every version that came out of one of these runs."""
    versions = ModelVersion.objects.filter(run__in=runs).select_related("run__experiment", "run__created_by")
    for version in versions.prefetch_related("run__parameters", "run__metrics"):
        assert version.run is not None
        version.lineage = _lineage_of(version.run)
        version.save(update_fields=["lineage"])


def names_of_versions(runs: RunQuerySet) -> list[str]:
    """The versions that came out of these runs."""
    return [str(version) for version in ModelVersion.objects.filter(run__in=runs).select_related("model")]


def _lineage_of(run: Run) -> dict[str, Any]:
    return {
        "run": run.uid,
        "name": run.display_name,
        "number": run.number,
        "experiment": run.experiment.name,
        "script": run.script,
        "arguments": run.arguments,
        "created_by": run.created_by.username if run.created_by else None,
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "parameters": {each.name: each.value for each in run.parameters.all()[:MOST]},
        "metrics": {each.name: encode(each.summary.last) for each in run.metrics.all()[:MOST]},
    }
