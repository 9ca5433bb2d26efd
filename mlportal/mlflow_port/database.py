"""MLflow's own database in a SQLite file, `mlflow.db`, as its clients keep runs when there is no server; files beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from experiments.metrics import Series
from mlportal.mlflow_port import database_schema as schema
from mlportal.mlflow_port import values
from mlportal.mlflow_port.artifact_folders import ArtifactFolders
from mlportal.mlflow_port.database_file import DatabaseFile, Row
from mlportal.mlflow_port.database_models import DatabaseModels
from mlportal.mlflow_port.database_rows import DatabaseRows, point_of
from mlportal.mlflow_port.items import (
    DatasetItem,
    ExperimentItem,
    FileItem,
    LoggedModelItem,
    PortError,
    RegisteredItem,
    RunItem,
    Unreadable,
    VersionItem,
)
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.values import milliseconds, text

BESIDE: Final = ("mlruns", "mlartifacts")  # where MLflow puts files if nobody says where
DATASET: Final = {
    "name": "name",
    "digest": "digest",
    "dataset_source_type": "source_type",
    "dataset_source": "source",
    "dataset_schema": "schema",
    "dataset_profile": "profile",
}
_RUN: Final = ("run_uuid", "name", "user_id", "status", "start_time", "end_time", "lifecycle_stage", "artifact_uri")
_POINT: Final = ("key", "value", "timestamp", "step", "is_nan")
_BY_RUN_AND_KEY: Final = "index_metrics_run_uuid_key_step"  # since 3.11


class MlflowDatabase:
    """`elsewhere` names folders in which artifacts may be, beside those of MLflow next to the file. PortError."""

    def __init__(self, path: Path, report: Report, elsewhere: Sequence[Path] = ()) -> None:
        self.report = report
        file = DatabaseFile(path)
        _check(file)
        self._rows = DatabaseRows(file, report)
        self._files = ArtifactFolders([*(path.parent / name for name in BESIDE), *elsewhere], report)
        self._models = DatabaseModels(self._rows, self._files)
        # SQLite would rather walk through all runs that have a metric of this name.
        by_run = file.has_index("metrics", _BY_RUN_AND_KEY)
        self._index, self._of = (
            (_BY_RUN_AND_KEY, "run_uuid = ? AND key = ?") if by_run else ("", "run_uuid = ? AND +key = ?")
        )

    def experiments(self) -> Iterator[ExperimentItem]:
        columns = ("experiment_id", "name", "lifecycle_stage", "creation_time", "last_update_time", "workspace")
        for row in self._rows.own("experiments", "experiments", columns, "1 ORDER BY experiment_id"):
            name = text(row["name"])
            yield ExperimentItem(
                id=text(row["experiment_id"]),
                name=name,
                tags=self._rows.pairs(f"experiment {name}", "experiment_tags", "experiment_id", row["experiment_id"]),
                created=milliseconds(row["creation_time"]),
                updated=milliseconds(row["last_update_time"]),
                deleted=row["lifecycle_stage"] == "deleted",
            )

    def runs(self, experiment: ExperimentItem) -> Iterator[RunItem]:
        where = f"experiment {experiment.name}"
        if self._rows.all(where, "trace_info", ("experiment_id",), "experiment_id = ? LIMIT 1", experiment.id):
            self.report.problem(where, "it has traces: the portal keeps none")
        found = []
        for row in self._rows.all(where, "runs", ("run_uuid", "start_time"), "experiment_id = ?", experiment.id):
            uid = text(row["run_uuid"])
            if values.RUN_ID.fullmatch(uid):
                found.append((milliseconds(row["start_time"]) or 0, uid))
            else:
                self.report.problem(where, f"{uid!r:.100} is no id of a run")
        for _, uid in sorted(found):
            for row in self._rows.all(f"run {uid}", "runs", _RUN, "run_uuid = ? LIMIT 1", uid):
                yield self._run(uid, row)

    def points(self, experiment: ExperimentItem, run: RunItem, metric: str) -> Iterator[Series]:
        return values.in_series(self._points(run, metric))

    def _points(self, run: RunItem, metric: str) -> Iterator[values.Point]:
        condition = f"{self._of} ORDER BY timestamp, step, value"
        for row in self._rows.file.select("metrics", _POINT, condition, run.id, metric, index=self._index):
            point = point_of(row["value"], row["is_nan"], row["timestamp"], row["step"])
            if point is None:
                self.report.problem(f"run {run.id}, metric {metric}", f"no point of a metric: {_shown(row)}")
                continue
            value, time, step = point
            yield time, step, value

    def run_files(self, experiment: ExperimentItem, run: RunItem) -> Iterator[FileItem]:
        yield from self._artifacts(run.artifact_uri, run.id, f"run {run.id}")

    def logged_models(self, experiment: ExperimentItem) -> Iterator[LoggedModelItem]:
        yield from self._models.logged(experiment)

    def model_files(self, experiment: ExperimentItem, model: LoggedModelItem) -> Iterator[FileItem]:
        yield from self._artifacts(model.artifact_uri, model.id, f"logged model {model.id}")

    def registered(self) -> Iterator[RegisteredItem]:
        yield from self._models.registered()

    def versions(self, model: RegisteredItem) -> Iterator[VersionItem]:
        yield from self._models.versions(model)

    def version_files(self, model: RegisteredItem, version: VersionItem) -> Iterator[FileItem]:
        yield from self._models.version_files(model, version)

    def _artifacts(self, uri: str, uid: str, where: str) -> Iterator[FileItem]:
        if not uri:
            return
        try:
            folder, parts = self._files.copy(uri, uid)
        except Unreadable as error:
            self.report.problem(where, error.message)
            return
        yield from self._files.files(folder, parts, where)

    def _run(self, uid: str, row: Row) -> RunItem:
        where = f"run {uid}"
        tags = self._rows.pairs(where, "tags", "run_uuid", uid)
        metrics, latest = [], {}
        for each in self._rows.all(f"{where}, metrics", "latest_metrics", _POINT, "run_uuid = ? ORDER BY key", uid):
            name = text(each["key"])
            metrics.append(name)
            point = point_of(each["value"], each["is_nan"], each["timestamp"], each["step"])
            if point is not None:
                latest[name] = point
        return RunItem(
            id=uid,
            name=text(row["name"]) or tags.get("mlflow.runName", ""),
            user=text(row["user_id"]),
            status=text(row["status"]),
            start=milliseconds(row["start_time"]),
            end=milliseconds(row["end_time"]),
            deleted=row["lifecycle_stage"] == "deleted",
            params=self._rows.pairs(where, "params", "run_uuid", uid),
            tags=tags,
            metrics=metrics,
            datasets=list(self._datasets(uid)),
            model_inputs=[text(each["destination_id"]) for each in self._linked(uid, "RUN_INPUT", "MODEL_INPUT")],
            model_outputs=[
                (text(each["destination_id"]), values.whole(each["step"]) or 0)
                for each in self._linked(uid, "RUN_OUTPUT", "MODEL_OUTPUT")
            ],
            artifact_uri=text(row["artifact_uri"]),
            latest=latest,
        )

    def _linked(self, uid: str, source: str, destination: str) -> list[Row]:
        condition = "source_type = ? AND source_id = ? AND destination_type = ? ORDER BY rowid"
        of = (source, uid, destination)
        return self._rows.all(f"run {uid}", "inputs", ("destination_id", "step"), condition, *of)

    def _datasets(self, uid: str) -> Iterator[DatasetItem]:
        where = f"run {uid}, data"
        condition = "destination_type = 'RUN' AND destination_id = ? AND source_type = 'DATASET' ORDER BY rowid"
        for used in self._rows.all(where, "inputs", ("input_uuid", "source_id"), condition, uid):
            said = self._rows.all(where, "datasets", tuple(DATASET), "dataset_uuid = ? LIMIT 1", used["source_id"])
            if not said:
                self.report.problem(where, f"it is not described: {text(used['source_id'])!r:.100}")
            for row in said:
                fields = {DATASET[name]: text(value) for name, value in row.items()}
                yield DatasetItem(
                    fields, self._rows.pairs(where, "input_tags", "input_uuid", used["input_uuid"], "name")
                )


def _check(file: DatabaseFile) -> None:
    """PortError for what is no store of MLflow 2 or later."""
    file.learn((schema.VERSIONS, *schema.NEEDED, *schema.OTHERS))
    if not {schema.VERSIONS, "runs"} <= file.columns.keys():
        raise PortError(f"{file.path} is no database of MLflow: it has no table of runs.")
    if any(row["version_num"] in schema.OLD for row in file.select(schema.VERSIONS, ("version_num",), "1")):
        raise PortError(
            f"{file.path} is of an MLflow before 2.0; upgrade it with `mlflow db upgrade sqlite:///{file.path.name}` first,"
            " after you have made a copy of it."
        )
    for table, columns in schema.NEEDED.items():
        if missing := sorted(set(columns) - file.columns.get(table, set())):
            raise PortError(f"{file.path} is no database of an MLflow that is known: {table} has no {missing[0]}.")


def _shown(row: dict[str, Any]) -> str:
    return f"{ {name: row[name] for name in ('value', 'timestamp', 'step')}!r:.200}"
