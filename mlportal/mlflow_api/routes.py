"""The addresses: each a function from a call to the JSON of its answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mlportal.mlflow_api import artifacts, experiments, logged_models, metrics, registry, runs, versions
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
    ("POST", "runs/outputs"): _writes(logged_models.log_outputs),
    ("POST", "logged-models"): _writes(logged_models.create),
    ("POST", "logged-models/search"): _reads(logged_models.search),
    ("POST", "registered-models/create"): _writes(registry.create),
    ("GET", "registered-models/get"): _reads(registry.get),
    ("PATCH", "registered-models/update"): _writes(registry.update),
    ("POST", "registered-models/rename"): _writes(registry.rename),
    ("DELETE", "registered-models/delete"): _writes(registry.delete),
    ("GET", "registered-models/search"): _reads(registry.search),
    ("GET", "registered-models/get-latest-versions"): _reads(registry.latest_versions),
    ("POST", "registered-models/get-latest-versions"): _reads(registry.latest_versions),
    ("POST", "registered-models/set-tag"): _writes(registry.set_tag),
    ("DELETE", "registered-models/delete-tag"): _writes(registry.delete_tag),
    ("POST", "registered-models/alias"): _writes(registry.set_alias),
    ("DELETE", "registered-models/alias"): _writes(registry.delete_alias),
    ("GET", "registered-models/alias"): _reads(registry.get_by_alias),
    ("POST", "model-versions/create"): _writes(versions.create),
    ("GET", "model-versions/get"): _reads(versions.get),
    ("PATCH", "model-versions/update"): _writes(versions.update),
    ("DELETE", "model-versions/delete"): _writes(versions.delete),
    ("GET", "model-versions/search"): _reads(versions.search),
    ("POST", "model-versions/set-tag"): _writes(versions.set_tag),
    ("DELETE", "model-versions/delete-tag"): _writes(versions.delete_tag),
    ("POST", "model-versions/transition-stage"): _writes(versions.set_stage),
    ("GET", "model-versions/get-download-uri"): _reads(versions.download_uri),
    ("GET", "artifacts/list"): _reads(artifacts.list_run),
}

# Below /api/2.0/mlflow/, with names in the address.
NAMED_ROUTES: Final[tuple[tuple[str, re.Pattern[str], Route], ...]] = (
    ("GET", re.compile(r"logged-models/(?P<model_id>[^/]+)"), _reads(logged_models.get)),
    ("PATCH", re.compile(r"logged-models/(?P<model_id>[^/]+)"), _writes(logged_models.finish)),
    ("DELETE", re.compile(r"logged-models/(?P<model_id>[^/]+)"), _writes(logged_models.delete)),
    ("POST", re.compile(r"logged-models/(?P<model_id>[^/]+)/params"), _writes(logged_models.log_params)),
    ("PATCH", re.compile(r"logged-models/(?P<model_id>[^/]+)/tags"), _writes(logged_models.set_tags)),
    ("DELETE", re.compile(r"logged-models/(?P<model_id>[^/]+)/tags/(?P<key>.+)"), _writes(logged_models.delete_tag)),
    ("GET", re.compile(r"logged-models/(?P<model_id>[^/]+)/artifacts/directories"), _reads(artifacts.list_model)),
)

# Below /api/2.0/mlflow-artifacts/, with the rest of the address as the path; the bytes go their own way (files.py).
ARTIFACT_ROUTES: Final[dict[tuple[str, str], Route]] = {
    ("DELETE", "artifacts"): _writes(artifacts.delete),
    ("POST", "mpu/create"): _writes(artifacts.mpu_create),
    ("POST", "mpu/complete"): _reads(artifacts.mpu_complete),  # it copies bytes, and must hold nobody up
    ("POST", "mpu/abort"): _reads(artifacts.mpu_abort),
}
