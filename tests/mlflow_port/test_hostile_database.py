"""A database that somebody else has made, or is busy with: it is never written, and what is wrong in it is told."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from experiments.models import Artifact, Experiment, LoggedModel, Run
from experiments.services import history
from mlportal.mlflow_port import database_file
from models_registry.models import ModelVersion, RegisteredModel
from tests.mlflow_port.conftest import MODEL, OTHER, RUN, Command, Mlruns
from tests.mlflow_port.database import Database

pytestmark = pytest.mark.django_db
GREATEST = 1.7976931348623157e308
ENDLESS = """
CREATE VIEW tags AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
SELECT i AS "key", i AS value, 'x' AS run_uuid FROM n
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "project").mkdir()
    made = Database(tmp_path / "project" / "mlflow.db")
    yield made
    made.db.close()


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", ["{file}", "sqlite:///{file}", "{folder}"])
def test_a_file_is_named_by_itself_by_mlflows_address_or_by_its_folder(
    database: Database, command: Command, words: str
) -> None:
    database.write(database.run(user_id="ada"), "deep/a.txt", "a")
    out, error = command("import_mlflow", words.format(file=database.path, folder=database.path.parent))
    assert (out, error) == ("Imported into lab: 1 experiments, 1 runs, 0 points, 1 files\n", "")
    run = Run.objects.get(uid=RUN)
    assert run.tags.get().value == "ada" and run.artifacts.get().path == "deep/a.txt"


def test_nan_infinities_and_the_order_of_points_come(database: Database, command: Command) -> None:
    database.run()
    database.metric((0.0, 5, 3, 1), (-GREATEST, 4, 2, 0), (GREATEST, 3, 1, 0), (2.0, 2, 0, 0), (1.0, 2, 0, 0))
    out, error = command("import_mlflow", database.path)
    assert not error and "5 points" in out
    points = history(Run.objects.get(), "loss")
    assert list(points.values)[:4] == [1.0, 2.0, math.inf, -math.inf] and math.isnan(points.values[4])
    assert list(points.steps) == [0, 0, 1, 2, 3] and list(points.times) == [0.002, 0.002, 0.003, 0.004, 0.005]


@pytest.mark.parametrize("index", [True, False])
def test_a_metric_is_of_its_run_alone_whatever_its_database_is_indexed_by(
    database: Database, command: Command, index: bool
) -> None:
    if index:
        database.db.execute("CREATE INDEX index_metrics_run_uuid_key_step ON metrics (run_uuid, key, step)")
    for uid, value in ((RUN, 1.0), (OTHER, 2.0)):
        database.run(uid)
        database.metric((value, 1, 0, 0), uid=uid)
        database.metric((value + 2, 1, 0, 0), uid=uid, key="acc")
    assert command("import_mlflow", database.path)[1] == ""
    for uid, values in ((RUN, [1.0, 3.0]), (OTHER, [2.0, 4.0])):
        run = Run.objects.get(uid=uid)
        assert [list(history(run, name).values) for name in ("loss", "acc")] == [values[:1], values[1:]]


def test_a_log_that_nobody_has_open_is_read_and_left_as_it_is(
    database: Database, command: Command, tmp_path: Path
) -> None:
    """The run is in the log alone; SQLite would leave an index beside it, or take the log up."""
    database.db.execute("PRAGMA journal_mode = WAL")
    database.run(artifact_uri=None)
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("mlflow.db", "mlflow.db-wal"):
        shutil.copyfile(database.path.with_name(name), copied / name)
    before = content(copied)
    assert RUN.encode() not in before["mlflow.db"] and command("import_mlflow", copied)[1] == ""
    assert content(copied) == before and Run.objects.get().uid == RUN
    assert not list(settings.FILE_UPLOAD_TEMP_DIR.glob("mlflow-*"))


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_database_in_use_is_read_and_not_written(database: Database, command: Command, mode: str) -> None:
    database.db.execute(f"PRAGMA journal_mode = {mode}")
    database.run()
    before = content(database.path.parent)
    assert command("import_mlflow", database.path)[1] == ""
    after = content(database.path.parent)
    assert after.keys() == before.keys() and Run.objects.get().uid == RUN
    assert [name for name in before if before[name] != after[name]] in ([], ["mlflow.db-shm"])  # who reads, and how far


def test_a_closed_database_with_a_log_stays_without_one(database: Database, command: Command) -> None:
    database.db.execute("PRAGMA journal_mode = WAL")
    database.run()
    database.db.close()
    before = content(database.path.parent)
    assert list(before) == ["mlflow.db"] and command("import_mlflow", database.path)[1] == ""
    assert content(database.path.parent) == before and Run.objects.get().uid == RUN


def test_a_locked_database_is_one_clear_error(
    database: Database, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "BUSY_SECONDS", 0.05)
    database.db.execute("BEGIN EXCLUSIVE")
    out, error = command("import_mlflow", database.path)
    assert out == "" and error == f"{database.path} is locked by another program; start again when that has ended."


def test_changes_that_broke_off_are_for_mlflow_to_take_back(
    database: Database, command: Command, tmp_path: Path
) -> None:
    rows = [(RUN, f"key {number}", "v" * 500) for number in range(500)]
    database.db.execute("BEGIN")
    database.db.executemany("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", rows)
    database.db.executescript("PRAGMA cache_size = 5; BEGIN; UPDATE tags SET value = 'other' || value")
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("mlflow.db", "mlflow.db-journal"):
        shutil.copyfile(database.path.with_name(name), copied / name)
    before = content(copied)
    out, error = command("import_mlflow", copied)
    assert out == "" and "open it once with MLflow" in error and content(copied) == before


def spoil(database: Database, sql: str) -> None:
    database.db.executescript(sql)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE alembic_version SET version_num = 'cc1f77228345'", "mlflow db upgrade sqlite:///mlflow.db"),
        ("DROP TABLE alembic_version", "is no database of MLflow"),
        ("DROP TABLE runs", "is no database of MLflow"),
        ("ALTER TABLE metrics DROP COLUMN is_nan", "metrics has no is_nan"),
        ("DROP TABLE params", "params has no key"),
        (f"DROP TABLE tags; {ENDLESS}", "tags is no plain table"),
        ("DROP TABLE tags; CREATE VIRTUAL TABLE tags USING fts5(key, value, run_uuid)", "tags is no plain table"),
    ],
)
def test_what_is_no_store_that_is_known_says_so(database: Database, command: Command, sql: str, said: str) -> None:
    database.run()
    spoil(database, sql)
    out, error = command("import_mlflow", database.path)
    assert out == "" and said in error and not Experiment.objects.exists()


@pytest.mark.parametrize("data", [b"", b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_says_so(tmp_path: Path, command: Command, data: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(data)
    out, error = command("import_mlflow", tmp_path)
    assert out == "" and error == f"{tmp_path / 'mlflow.db'} is no SQLite database."


def test_a_database_that_is_broken_in_the_middle_ends_the_import_and_says_so(
    database: Database, command: Command
) -> None:
    database.run()
    rows = [(RUN, f"key {number}", "v" * 50) for number in range(3000)]
    database.db.execute("BEGIN")
    database.db.executemany("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", rows)
    database.db.execute("COMMIT")
    database.db.close()
    data = bytearray(database.path.read_bytes())
    data[-20 * 4096 :] = b"\x77" * (20 * 4096)
    database.path.write_bytes(data)
    error = command("import_mlflow", database.path)[1]
    assert "malformed" in error and not Run.objects.exists()


def test_tables_of_later_versions_may_be_missing(database: Database, command: Command) -> None:
    for table in ("logged_models", "registered_models", "trace_info", "inputs", "experiment_tags", "model_versions"):
        database.db.execute(f"DROP TABLE {table}")
    database.db.execute("ALTER TABLE experiments DROP COLUMN workspace")
    database.run()
    assert command("import_mlflow", database.path) == ("Imported into lab: 1 experiments, 1 runs, 0 points\n", "")


def test_links_and_addresses_of_other_places_are_told_and_not_followed(
    database: Database, command: Command, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("the secret")
    (tmp_path / "project" / ".ssh").mkdir()
    (tmp_path / "project" / ".ssh" / "id").write_text("the secret")
    place = database.run()
    database.write(place, "plain.txt", "plain")
    (Path(place) / "link.txt").symlink_to(secret / "key")
    (Path(place) / "folder").symlink_to(secret)
    uris = [f"file://{secret}", str(secret), f"{tmp_path}/project/mlruns/../.ssh", f"{tmp_path}/project/.ssh"]
    uris += ["s3://bucket/of/somebody", "file://host/etc", "file:///etc/\0", "mlflow-artifacts:/../../secret"]
    for number, uri in enumerate(uris):
        database.run(f"{number:032x}", artifact_uri=uri)
    database.logged_model(artifact_location=str(secret))
    database.version(1, source=str(secret), storage_location=f"file://{secret}")
    out, error = command("import_mlflow", database.path)
    assert error and "file link.txt: symbolic link" in out and "file folder: symbolic link" in out
    for of in (
        *(f"run {number:032x}" for number in range(len(uris))),
        f"logged model {MODEL}",
        "version Iris:1, files",
    ):
        assert f"  {of}: its files are at" in out, of
    assert [artifact.path for artifact in Artifact.objects.all()] == ["plain.txt"]
    assert Run.objects.count() == 1 + len(uris) and not ModelVersion.objects.get().files.exists()


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/7/{run}/artifacts",
        "mlflow-artifacts://host:5000/7/{run}/artifacts",
        "./mlartifacts/7/{run}/artifacts",
        "file:///gone/with%20it/mlartifacts/7/{run}/artifacts",
        "s3://bucket/prefix/7/{run}/artifacts",
    ],
)
def test_files_are_found_where_they_were_copied_to_with_the_database(
    database: Database, command: Command, uri: str
) -> None:
    database.run(artifact_uri=uri.format(run=RUN))
    database.write(str(database.path.parent / "mlartifacts" / "7" / RUN / "artifacts"), "a.txt", "a")
    out, error = command("import_mlflow", database.path)
    assert not error, out
    assert Artifact.objects.get().path == "a.txt"


def test_a_run_without_files_beside_others_that_were_copied_has_none(database: Database, command: Command) -> None:
    database.run(artifact_uri=f"/gone/mlruns/7/{RUN}/artifacts")
    assert "its files are at" in command("import_mlflow", database.path, "--dry-run")[0]
    (database.path.parent / "mlruns" / "7").mkdir(parents=True)
    assert command("import_mlflow", database.path)[1] == ""


def test_another_folder_is_read_when_its_owner_names_it(database: Database, command: Command, tmp_path: Path) -> None:
    database.run(artifact_uri=f"file://{tmp_path}/files/of")
    database.write(str(tmp_path / "files" / "of"), "a.txt", "a")
    out, error = command("import_mlflow", database.path, "--artifacts", str(tmp_path / "files"))
    assert not error, out
    assert Artifact.objects.get().path == "a.txt"


def test_values_of_wrong_kinds_are_told_and_the_run_comes(
    database: Database, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "MAX_BYTES", 2_000_000)
    database.run(start_time="yesterday", end_time=10**17, name=b"first")
    params: dict[Any, Any] = {"long": "x" * 1_000_001, "nul": "a\0b", "bytes": b"\xff", "good": "1", "blob": b"2"}
    for key, value in {**params, "n" * 251: "v", "too long to read": "x" * 2_100_000}.items():
        database.add("params", run_uuid=RUN, key=key, value=value)
    database.add("tags", run_uuid=RUN, key=sqlite3.Binary(b"\xff"), value="v")
    database.metric(("much", 1, 0, 0), (None, 1, 0, 0), (1.0, -1, 0, 0), (1.0, 1, "x", 0), (0.5, 1, 0, 0))
    database.metric((0.5, 1, 0, 0), key="bad\0name")
    out, error = command("import_mlflow", database.path)
    assert error and out.count("no point of a metric") == 4
    for name in ("'long'", "'nul'", "'bytes'", "nnn", "more than 2000000 bytes"):
        assert name in out, name
    run = Run.objects.get()
    assert dict(run.parameters.values_list("name", "value")) == {"good": "1", "blob": "2"}
    assert (run.name, run.started_at, run.ended_at, run.tags.count()) == ("first", None, None, 0)
    assert list(history(run, "loss").values) == [0.5] and "\0" not in out and len(out) < 6000


def test_ids_that_are_none_cost_only_what_has_them(database: Database, command: Command) -> None:
    database.run()
    uids: list[Any] = ["../../etc", "x\0y", None, b"\xff" * 32]
    for uid in uids:
        database.run(run_uuid=uid)
        database.logged_model(uid, source_run_id=uid)
        database.add(
            "inputs", source_type="RUN_INPUT", source_id=RUN, destination_type="MODEL_INPUT", destination_id=uid
        )
        database.add("inputs", source_type="DATASET", source_id=uid, destination_type="RUN", destination_id=RUN)
        database.version(1, name=f"of {uid!r}", run_id=uid, source=uid)
    database.version(0)
    database.version("x")
    database.version(2**62)
    database.version(1, name=b"\xff")  # type: ignore[arg-type]
    database.version(4, source=f"runs:/{RUN}/\ud800".encode("utf-8", "surrogatepass"))
    out, error = command("import_mlflow", database.path)
    assert error and "is no id of a run" in out and "is no version of it" in out
    assert [run.uid for run in Run.objects.all()] == [RUN] and not LoggedModel.objects.exists()
    assert RegisteredModel.objects.get(name="Iris").versions.get().version == 4
    assert "\0" not in out


def test_what_the_portal_has_no_place_for_is_told(database: Database, command: Command) -> None:
    database.run()
    database.add("trace_info", request_id="tr-1", experiment_id=7)
    database.version(1, name="hello")
    database.add(
        "registered_model_tags", name="hello", key="mlflow.prompt.is_prompt", value="true", workspace="default"
    )
    database.experiment(8, "theirs", workspace="team-a")
    database.run(OTHER, experiment_id=8)
    database.logged_model(lifecycle_stage="deleted")
    out, error = command("import_mlflow", database.path)
    assert error and "experiment churn: it has traces" in out and "registered model hello: it is a prompt" in out
    assert "1 are in the workspace 'team-a' of that MLflow" in out and "1 deleted logged models left out" in out
    assert not RegisteredModel.objects.exists() and [run.uid for run in Run.objects.all()] == [RUN]


def test_a_run_that_came_another_way_before_is_the_same(database: Database, mlruns: Mlruns, command: Command) -> None:
    """A server tells of infinity as of the greatest number, as its database does; so does this folder."""
    mlruns.write(f"{mlruns.run()}/metrics/loss", f"1 {GREATEST} 0\n")
    command("import_mlflow", mlruns.root)
    database.run()
    database.metric((GREATEST, 1, 0, 0))
    assert Run.objects.get().metrics.get().summary.last == GREATEST
    assert command("import_mlflow", database.path) == (
        "Imported into lab: 1 experiments already here, 1 runs already here\n",
        "",
    )


@pytest.mark.parametrize("address", ["postgresql://u:p@host/db", "mysql+pymysql://host/db"])
def test_a_database_on_a_server_is_for_mlflow_to_serve(command: Command, address: str) -> None:
    error = command("import_mlflow", address)[1]
    assert "mlflow server --backend-store-uri" in error and "u:p" not in error
