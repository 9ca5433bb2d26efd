"""What a run has beside its metrics, parameters and tags, by the names that searches, orders and columns use."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Case, F, Value, When
from django.db.models.fields import CharField
from django.db.models.functions import Cast, Coalesce, Concat

from experiments.models.expressions import Seconds
from experiments.status import RunStatus

from .tokens import BadSearch

# MLflow's names of the statuses. `Preparing` and the like are what it calls scheduled.
MLFLOW_STATUS: Final = {
    RunStatus.NOT_STARTED: "SCHEDULED",
    RunStatus.PREPARING: "SCHEDULED",
    RunStatus.QUEUED: "SCHEDULED",
    RunStatus.RUNNING: "RUNNING",
    RunStatus.FINALIZING: "RUNNING",
    RunStatus.COMPLETED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.CANCELED: "KILLED",
}
STARTED: Final = Coalesce("started_at", "created_at")  # the index runs_by_start has it so
ARTIFACT_URI: Final = Concat(
    Value("mlflow-artifacts:/"),
    Cast("experiment_id", CharField()),
    Value("/"),
    F("uid"),
    Value("/artifacts"),
    output_field=CharField(),
)
TEXTS: Final[dict[str, Any]] = {
    "run_id": F("uid"),
    "run_name": F("name"),
    "user_id": F("created_by__username"),
    "artifact_uri": ARTIFACT_URI,
    # What MLflow does not have
    "experiment": F("experiment__name"),
    "script": F("script"),
    "target": F("compute_target__name"),
    "environment": F("environment_version__environment__name"),
    "parent": F("parent__uid"),
}
RELATED: Final = {
    "user_id": ("created_by", "username"),
    "experiment": ("experiment", "name"),
    "target": ("compute_target", "name"),
    "environment": ("environment_version", "environment__name"),
}
MOMENTS: Final[dict[str, Any]] = {"start_time": STARTED, "end_time": F("ended_at"), "created_at": F("created_at")}
NUMBERS: Final[dict[str, Any]] = {"number": F("number"), "duration": Seconds("ended_at", "started_at")}
INDEXED: Final = ("start_time", "duration")  # in the order of an index, those of an experiment
ATTRIBUTES: Final = (*TEXTS, *MOMENTS, *NUMBERS, "status")
_OTHER_NAMES: Final = {
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
    "name": "run_name",
    "user": "user_id",
}
# Tags that the portal keeps as fields of the run: they are looked for there.
NAME_TAG, PARENT_TAG = "mlflow.runName", "mlflow.parentRunId"


def attribute_named(key: str, known: tuple[str, ...] = ATTRIBUTES) -> str:
    """The one name of an attribute that has several. Raises BadSearch for what is none."""
    name = _OTHER_NAMES.get(key, key)
    if name not in known:
        raise BadSearch(
            f"Invalid attribute key {key!r} specified. Valid keys are {sorted(known)}; what was logged is metrics.{key},"
            f" params.{key} or tags.{key}"
        )
    return name


def value_of(name: str) -> Any:
    """What runs are ordered by."""
    if name == "status":
        # By MLflow's names; places in their order are compared sooner than texts, and most runs have ended.
        names = sorted(set(MLFLOW_STATUS.values()))
        ended_first = sorted(MLFLOW_STATUS.items(), key=lambda item: item[0] != RunStatus.COMPLETED)
        return Case(*(When(status=status, then=Value(names.index(name))) for status, name in ended_first))
    return {**TEXTS, **MOMENTS, **NUMBERS, "experiment_id": F("experiment_id")}[name]
