"""A database as MLflow 3 makes it, as far as it is read, by hand, so that it can be spoiled."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from tests.mlflow_port.conftest import MODEL, RUN

HEAD: Final = "dc11669786a5"
TABLES: Final = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
CREATE TABLE experiments (experiment_id INTEGER, name VARCHAR(256), artifact_location VARCHAR(256),
    lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT, workspace VARCHAR(63));
CREATE TABLE experiment_tags ("key" VARCHAR(250), value VARCHAR(5000), experiment_id INTEGER);
CREATE TABLE runs (run_uuid VARCHAR(32), name VARCHAR(250), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT,
    end_time BIGINT, lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER, deleted_time BIGINT);
CREATE TABLE params ("key" VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
CREATE TABLE tags ("key" VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
CREATE TABLE metrics ("key" VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT, is_nan BOOLEAN);
CREATE TABLE latest_metrics ("key" VARCHAR(250), value FLOAT, timestamp BIGINT, step BIGINT, is_nan BOOLEAN,
    run_uuid VARCHAR(32));
CREATE TABLE inputs (input_uuid VARCHAR(36), source_type VARCHAR(36), source_id VARCHAR(36), destination_type VARCHAR(36),
    destination_id VARCHAR(36), step BIGINT);
CREATE TABLE logged_models (model_id VARCHAR(36), experiment_id INTEGER, name VARCHAR(500),
    artifact_location VARCHAR(1000), creation_timestamp_ms BIGINT, last_updated_timestamp_ms BIGINT, status INTEGER,
    lifecycle_stage VARCHAR(32), model_type VARCHAR(500), source_run_id VARCHAR(32), status_message VARCHAR(1000));
CREATE TABLE logged_model_metrics (model_id VARCHAR(36), metric_name VARCHAR(500), metric_timestamp_ms BIGINT,
    metric_step BIGINT, metric_value FLOAT, experiment_id INTEGER, run_id VARCHAR(32), dataset_uuid VARCHAR(36),
    dataset_name VARCHAR(500), dataset_digest VARCHAR(36));
CREATE TABLE registered_models (name VARCHAR(256), creation_time BIGINT, last_updated_time BIGINT,
    description VARCHAR(5000), workspace VARCHAR(63));
CREATE TABLE registered_model_tags ("key" VARCHAR(250), value VARCHAR(5000), name VARCHAR(256), workspace VARCHAR(63));
CREATE TABLE model_versions (name VARCHAR(256), version INTEGER, creation_time BIGINT, last_updated_time BIGINT,
    description VARCHAR(5000), user_id VARCHAR(256), current_stage VARCHAR(20), source VARCHAR(500), run_id VARCHAR(32),
    status VARCHAR(20), run_link VARCHAR(500), storage_location VARCHAR(500), workspace VARCHAR(63));
CREATE TABLE trace_info (request_id VARCHAR(50), experiment_id INTEGER);
"""


class Database:
    """With the experiment `churn`, of the number 7."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(f"PRAGMA synchronous = OFF; BEGIN; {TABLES} COMMIT")
        self.add("alembic_version", version_num=HEAD)
        self.experiment()

    def add(self, table: str, **row: Any) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        self.db.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))

    def experiment(self, number: int = 7, name: str = "churn", **more: Any) -> None:
        said = {"experiment_id": number, "name": name, "lifecycle_stage": "active", "workspace": "default"}
        self.add("experiments", **{**said, **more})

    def run(self, uid: str = RUN, **more: Any) -> str:
        """Where its artifacts are."""
        place = self.path.parent / "mlruns" / "7" / uid / "artifacts"
        said = {"run_uuid": uid, "name": "first", "status": "FINISHED", "experiment_id": 7, "lifecycle_stage": "active"}
        said |= {"start_time": 1_600_000_000_000, "end_time": 1_600_000_001_000, "artifact_uri": str(place)}
        self.add("runs", **{**said, **more})
        return str(place)

    def metric(self, *points: tuple[Any, Any, Any, Any], uid: str = RUN, key: str = "loss") -> None:
        """Of value, time, step and whether it is no number; the last one is the latest."""
        for table, some in (("metrics", points), ("latest_metrics", points[-1:])):
            for value, time, step, is_nan in some:
                self.add(table, run_uuid=uid, key=key, value=value, timestamp=time, step=step, is_nan=is_nan)

    def logged_model(self, uid: str = MODEL, **more: Any) -> None:
        said = {"model_id": uid, "experiment_id": 7, "name": "m", "status": 2, "lifecycle_stage": "active"}
        self.add("logged_models", **{**said, "creation_timestamp_ms": 1, "last_updated_timestamp_ms": 1, **more})

    def version(self, number: Any, *, name: str = "Iris", **more: Any) -> None:
        if not self.db.execute("SELECT 1 FROM registered_models WHERE name = ?", [name]).fetchall():
            self.add("registered_models", name=name, workspace="default", creation_time=1)
        said = {"name": name, "version": number, "status": "READY", "current_stage": "None", "workspace": "default"}
        self.add("model_versions", **{**said, "creation_time": 1, **more})

    def write(self, place: str, name: str, data: str) -> None:
        file = Path(place) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(data)
