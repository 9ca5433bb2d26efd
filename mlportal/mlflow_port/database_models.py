"""Logged models and the registry out of MLflow's database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlportal.mlflow_port import values
from mlportal.mlflow_port.artifact_folders import ArtifactFolders
from mlportal.mlflow_port.database_rows import WORKSPACE, DatabaseRows, point_of
from mlportal.mlflow_port.folder import MODEL_STATUSES
from mlportal.mlflow_port.items import (
    ExperimentItem,
    FileItem,
    LoggedModelItem,
    ModelPointItem,
    RegisteredItem,
    VersionItem,
)
from mlportal.mlflow_port.values import milliseconds, text
from mlportal.texts import storable

_LOGGED: Final = (
    "model_id",
    "name",
    "artifact_location",
    "creation_timestamp_ms",
    "last_updated_timestamp_ms",
    "status",
    "lifecycle_stage",
    "model_type",
    "source_run_id",
)
_POINT: Final = (
    "metric_name",
    "metric_timestamp_ms",
    "metric_step",
    "metric_value",
    "run_id",
    "dataset_name",
    "dataset_digest",
)
_REGISTERED: Final = ("name", "creation_time", "last_updated_time", "description", "workspace")
_VERSION: Final = (
    "version",
    "creation_time",
    "last_updated_time",
    "description",
    "user_id",
    "current_stage",
    "source",
    "storage_location",
    "run_id",
    "run_link",
    "status",
)


class DatabaseModels:
    def __init__(self, rows: DatabaseRows, files: ArtifactFolders) -> None:
        self._rows, self._files, self.report = rows, files, rows.report
        self._in_workspace = {
            table: f" AND workspace = '{WORKSPACE}'" if "workspace" in columns else ""
            for table, columns in rows.file.columns.items()
        }

    def logged(self, experiment: ExperimentItem) -> Iterator[LoggedModelItem]:
        where = f"logged models of {experiment.name}"
        found = self._rows.all(
            where,
            "logged_models",
            ("model_id",),
            "experiment_id = ? ORDER BY creation_timestamp_ms, model_id",
            experiment.id,
        )
        for uid in (row["model_id"] for row in found):
            where = f"logged model {text(uid)}"
            for row in self._rows.all(where, "logged_models", _LOGGED, "model_id = ? LIMIT 1", uid):
                if row["lifecycle_stage"] == "deleted":
                    self.report.count("deleted logged models left out")
                    continue
                yield LoggedModelItem(
                    id=text(uid),
                    name=text(row["name"]),
                    run=text(row["source_run_id"]),
                    model_type=text(row["model_type"]),
                    status=MODEL_STATUSES.get(values.whole(row["status"]) or 0, text(row["status"])),
                    created=milliseconds(row["creation_timestamp_ms"]),
                    updated=milliseconds(row["last_updated_timestamp_ms"]),
                    params=self._rows.pairs(where, "logged_model_params", "model_id", uid, "param_key", "param_value"),
                    tags=self._rows.pairs(where, "logged_model_tags", "model_id", uid, "tag_key", "tag_value"),
                    points=list(self._points(where, uid)),
                    artifact_uri=text(row["artifact_location"]),
                )

    def registered(self) -> Iterator[RegisteredItem]:
        for row in self._rows.own("registered models", "registered_models", _REGISTERED, "1 ORDER BY name"):
            name = text(row["name"])
            where = f"registered model {name}"
            if storable(name) != name:
                self.report.problem(where, "its name holds a character that no text may have")
                continue
            yield RegisteredItem(
                name=name,
                description=text(row["description"]),
                tags={
                    text(tag["key"]): text(tag["value"])
                    for tag in self._rows.all(where, *self._of(name, "registered_model_tags", "key", "value"))
                },
                created=milliseconds(row["creation_time"]),
                updated=milliseconds(row["last_updated_time"]),
                aliases={
                    text(alias["alias"]): values.whole(alias["version"]) or 0
                    for alias in self._rows.all(where, *self._of(name, "registered_model_aliases", "alias", "version"))
                },
            )

    def versions(self, model: RegisteredItem) -> Iterator[VersionItem]:
        where = f"registered model {model.name}"
        found = []
        for row in self._rows.all(where, *self._of(model.name, "model_versions", *_VERSION)):
            number = values.whole(row["version"])
            if number is None or not values.NUMBER.fullmatch(str(number)):
                self.report.problem(where, f"{row['version']!r:.100} is no version of it")
            elif row["current_stage"] != "Deleted_Internal":
                found.append((number, row))
        for number, row in sorted(found, key=lambda pair: pair[0]):
            of = f"version {model.name}:{number}"
            table, columns, condition, name = self._of(model.name, "model_version_tags", "key", "value")
            tags = self._rows.all(of, table, columns, f"{condition} AND version = ?", name, row["version"])
            yield VersionItem(
                number=number,
                run=text(row["run_id"]),
                model_id="",  # its source names it
                source=text(row["source"]),
                run_link=text(row["run_link"]),
                description=text(row["description"]),
                stage=text(row["current_stage"]) or "None",
                status=text(row["status"]) or "READY",
                user=text(row["user_id"]),
                created=milliseconds(row["creation_time"]),
                updated=milliseconds(row["last_updated_time"]),
                tags={text(tag["key"]): text(tag["value"]) for tag in tags},
                storage=text(row["storage_location"]),
            )

    def version_files(self, model: RegisteredItem, version: VersionItem) -> Iterator[FileItem]:
        folder, parts = self._files.place(version.storage or version.source)
        yield from self._files.files(folder, parts, f"version {model.name}:{version.number}")

    def _of(self, name: str, table: str, *columns: str) -> tuple[str, tuple[str, ...], str, str]:
        return table, columns, f"name = ?{self._in_workspace.get(table, '')}", name

    def _points(self, where: str, uid: object) -> Iterator[ModelPointItem]:
        for row in self._rows.all(
            f"{where}, metrics", "logged_model_metrics", _POINT, "model_id = ? ORDER BY rowid", uid
        ):
            point = point_of(row["metric_value"], 0, row["metric_timestamp_ms"], row["metric_step"])
            if point is None:
                self.report.problem(
                    f"{where}, metric {text(row['metric_name'])}", f"no point: {row['metric_value']!r:.100}"
                )
                continue
            value, time, step = point
            names = [text(row[field]) for field in ("run_id", "metric_name", "dataset_name", "dataset_digest")]
            yield ModelPointItem(names[0], names[1], value, time, step, *names[2:])
