"""MLflow's tables (mlflow/store/tracking/dbmodels/models.py and model_registry/dbmodels/models.py), as far as they are read."""

from __future__ import annotations

from typing import Final

# Without these it is no store of runs. All others, and all other columns, may be missing: an older version has none.
NEEDED: Final = {
    "experiments": ("experiment_id", "name", "lifecycle_stage"),
    "runs": ("run_uuid", "experiment_id", "status", "start_time", "end_time", "lifecycle_stage", "artifact_uri"),
    "params": ("run_uuid", "key", "value"),
    "tags": ("run_uuid", "key", "value"),
    "metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
    "latest_metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
}
OTHERS: Final = (
    "experiment_tags",
    "datasets",
    "inputs",
    "input_tags",
    "logged_models",
    "logged_model_metrics",
    "logged_model_params",
    "logged_model_tags",
    "registered_models",
    "registered_model_tags",
    "registered_model_aliases",
    "model_versions",
    "model_version_tags",
    "trace_info",
)
VERSIONS: Final = "alembic_version"
# Those before 2.0, whose first database has 97727af70f4d; later ones are taken without knowing them.
OLD: Final = frozenset(
    {
        "451aebb31d03",
        "90e64c465722",
        "181f10493468",
        "df50e92ffc5e",
        "7ac759974ad8",
        "89d4b8295536",
        "2b4d017a5e9b",
        "cfd24bdc0731",
        "0a8213491aaa",
        "728d730b5ebd",
        "27a6a02d2cf1",
        "84291f40a231",
        "a8c4a736bde6",
        "39d1c3be5f05",
        "c48cb773bb87",
        "bd07f7e963c5",
        "0c779009ac13",
        "cc1f77228345",
    }
)
