"""Rows as MLflow's JSON: ids and names are texts, moments are milliseconds, and what is not there is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Func, TextField

from experiments.models import Experiment, Run
from experiments.search import MLFLOW_STATUS
from experiments.search.attributes import NAME_TAG, PARENT_TAG, STARTED
from mlportal.mlflow_api.call import Json, shown_id
from mlportal.statements import moment_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Milliseconds(Func):
    """A moment as PostgreSQL counts it, because Django's reading of its times takes longer than all else of a row; SQLite's
    texts stay what they are."""

    template = "%(expressions)s"
    output_field = TextField()  # Django would make a number of the text

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s) * 1000)::bigint"
        return self.as_sql(compiler, connection, template=template, **extra)


ROW: Final[tuple[Any, ...]] = (
    "pk",
    "uid",
    "name",
    "number",
    "experiment_id",
    "experiment__name",
    "created_by__username",
    "status",
    _Milliseconds(STARTED),
    _Milliseconds("ended_at"),
    _Milliseconds("deleted_at"),
    "parent__uid",
)


def milliseconds(moment: datetime) -> int:
    """In whole numbers: one time of two hundred would be a millisecond early as a float."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def number(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity; protobuf writes them as texts."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def pairs(values: Mapping[str, Any]) -> list[Json]:
    return [{"key": key, "value": "" if value is None else str(value)} for key, value in values.items()]


def experiment_json(experiment: Experiment) -> Json:
    shown = shown_id(experiment.pk, experiment.name)
    shape = {
        "experiment_id": shown,
        "name": experiment.name,
        "artifact_location": f"mlflow-artifacts:/{shown}",
        "lifecycle_stage": "deleted" if experiment.archived_at else "active",
        "last_update_time": milliseconds(max(experiment.updated_at, experiment.created_at)),
        "creation_time": milliseconds(experiment.created_at),
    }
    return {**shape, "tags": pairs(experiment.tags)} if experiment.tags else shape


def new_run_json(run: Run, tags: Mapping[str, Any]) -> Json:
    """One that was made a moment ago, and of which nothing else is known."""
    parent = run.parent.uid if run.parent else None
    who = run.created_by.get_username() if run.created_by else ""
    times = (run.started_at or run.created_at, run.ended_at, run.deleted_at)
    info = info_of(
        (run.pk, run.uid, run.name, run.number, run.experiment_id, run.experiment.name, who, run.status, *times)
    )
    own = {**tags, NAME_TAG: info["run_name"], **({PARENT_TAG: parent} if parent else {})}
    return {"info": info, "data": {"tags": pairs(own)}, "inputs": {}}


def info_json(run: Run) -> Json:
    return info_of(Run.objects.filter(pk=run.pk).values_list(*ROW).get())


def _counted(moment: Any) -> int:
    return moment if isinstance(moment, int) else milliseconds(moment_of(moment))


def name_of(row: Sequence[Any]) -> str:
    return str(row[2] or f"{row[5]} #{row[3]}")


def info_of(row: Sequence[Any]) -> Json:
    experiment_id = shown_id(row[4], row[5])
    info = {
        "run_id": row[1],
        "run_uuid": row[1],
        "run_name": name_of(row),
        "experiment_id": experiment_id,
        "user_id": row[6] or "",
        "status": MLFLOW_STATUS[row[7]],
        "start_time": _counted(row[8]),
        "artifact_uri": f"mlflow-artifacts:/{experiment_id}/{row[1]}/artifacts",
        "lifecycle_stage": "deleted" if row[10] else "active",
    }
    if row[9] is not None:
        info["end_time"] = _counted(row[9])
    return info
