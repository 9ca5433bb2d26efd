"""The addresses: each a function from a call to the JSON of its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mlportal.mlflow_api import artifacts, experiments, metrics, models, runs
from mlportal.mlflow_api.call import Call

Handler = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Route:
    handle: Handler
    writes: bool


def _reads(handle: Handler) -> Route:
    return Route(handle, writes=False)


def _writes(handle: Handler) -> Route:
    return Route(handle, writes=True)


# Below /api/2.0/mlflow/
ROUTES: Final[dict[tuple[str, str], Route]] = {
    ("POST", "experiments/create"): _writes(experiments.create),
    ("GET", "experiments/get"): _reads(experiments.get),
    ("GET", "experiments/get-by-name"): _reads(experiments.get_by_name),
    ("GET", "experiments/search"): _reads(experiments.search),
    ("POST", "experiments/search"): _reads(experiments.search),
    ("POST", "experiments/update"): _writes(experiments.update),
    ("POST", "experiments/delete"): _writes(experiments.delete),
    ("POST", "experiments/restore"): _writes(experiments.restore),
    ("POST", "experiments/set-experiment-tag"): _writes(experiments.set_tag),
    ("POST", "experiments/delete-experiment-tag"): _writes(experiments.delete_tag),
    ("POST", "runs/create"): _writes(runs.create),
    ("GET", "runs/get"): _reads(runs.get),
    ("POST", "runs/update"): _writes(runs.update),
    ("POST", "runs/delete"): _writes(runs.delete),
    ("POST", "runs/restore"): _writes(runs.restore),
    ("POST", "runs/log-metric"): _writes(metrics.log_metric),
    ("POST", "runs/log-parameter"): _writes(runs.log_parameter),
    ("POST", "runs/log-batch"): _writes(metrics.log_batch),
    ("POST", "runs/set-tag"): _writes(runs.set_tag),
    ("POST", "runs/delete-tag"): _writes(runs.delete_tag),
    ("POST", "runs/log-inputs"): _writes(runs.log_inputs),
    ("POST", "runs/log-model"): _writes(runs.log_model),
    ("POST", "runs/search"): _reads(runs.search),
    ("GET", "metrics/get-history"): _reads(metrics.get_history),
    ("GET", "metrics/get-history-bulk"): _reads(metrics.get_history_bulk),
    ("GET", "metrics/get-history-bulk-interval"): _reads(metrics.get_history_bulk_interval),
    ("POST", "logged-models/search"): _reads(models.search),
    ("GET", "artifacts/list"): _reads(artifacts.list_run),
}

# Below /api/2.0/mlflow-artifacts/, with the rest of the address as the path; the bytes go their own way (files.py).
ARTIFACT_ROUTES: Final[dict[tuple[str, str], Route]] = {
    ("DELETE", "artifacts"): _writes(artifacts.delete),
    ("POST", "mpu/create"): _writes(artifacts.mpu_create),
    ("POST", "mpu/complete"): _reads(artifacts.mpu_complete),  # it copies bytes, and must hold nobody up
    ("POST", "mpu/abort"): _reads(artifacts.mpu_abort),
}
