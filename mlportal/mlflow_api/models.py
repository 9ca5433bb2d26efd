"""Logged models of MLflow 3. The portal keeps none yet; clients look for one whenever they list a run's artifacts."""

from __future__ import annotations

from mlportal.mlflow_api.call import Call, Json


def search(call: Call) -> Json:
    """Which of the experiments' models there are: none."""
    for experiment_id in call.texts("experiment_ids"):
        call.experiment(experiment_id)
    return {}
