"""A folder that somebody else has made: nothing outside of it is read, and what is wrong with it is told by its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.models import Artifact, Experiment, Run
from experiments.services import history
from models_registry.models import ModelVersion, RegisteredModel
from tests.mlflow_port.conftest import MODEL, OTHER, RUN, Command, Mlruns

pytestmark = pytest.mark.django_db
ALIASES = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\nname: churn\n"


def test_links_lead_nowhere(mlruns: Mlruns, command: Command, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("the secret")
    (secret / "meta.yaml").write_text((mlruns.root / "7" / "meta.yaml").read_text())
    place = mlruns.run()
    mlruns.write(f"{place}/artifacts/plain.txt", "plain")
    (mlruns.root / place / "artifacts" / "link.txt").symlink_to(secret / "key")
    (mlruns.root / place / "artifacts" / "folder").symlink_to(secret)
    (mlruns.root / place / "tags").mkdir()
    (mlruns.root / place / "tags" / "stolen").symlink_to(secret / "key")
    (mlruns.root / place / "params").symlink_to(secret)
    (mlruns.root / "8").symlink_to(secret)
    os.mkfifo(mlruns.root / place / "artifacts" / "pipe")
    out, error = command("import_mlflow", mlruns.root)
    assert error
    for name in (
        "file link.txt: symbolic link",
        "file folder: symbolic link",
        "file pipe: named pipe",
        "tags/stolen: symbolic link",
        "  8: symbolic link",
    ):
        assert name in out
    run = Run.objects.get(uid=RUN)
    assert [artifact.path for artifact in run.artifacts.all()] == ["plain.txt"]
    assert not run.tags.exists() and not run.parameters.exists()
    assert Experiment.objects.get().name == "churn"


@pytest.mark.parametrize(
    "uri",
    [
        "file://{secret}",
        "{secret}",
        "file://{root}/7/../../secret",
        "s3://bucket/of/somebody",
        "file://host/etc",
        "file:///etc/\0",
    ],
)
def test_addresses_of_other_places_are_told_and_not_followed(
    mlruns: Mlruns, command: Command, tmp_path: Path, uri: str
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("the secret")
    address = uri.format(secret=tmp_path / "secret", root=mlruns.root)
    mlruns.run(artifact_uri=address)
    mlruns.logged_model(artifact_location=address)
    mlruns.version(1, source=address, storage_location=address)
    out, error = command("import_mlflow", mlruns.root)
    assert error
    for of in (f"run {RUN}", f"logged model {MODEL}", "version Iris:1, files"):
        assert f"  {of}: its files are at" in out
    assert Run.objects.count() == 1 and not Artifact.objects.exists()
    assert not ModelVersion.objects.get().files.exists()


def test_another_folder_is_read_when_its_owner_names_it(mlruns: Mlruns, command: Command, tmp_path: Path) -> None:
    (tmp_path / "files" / "of").mkdir(parents=True)
    (tmp_path / "files" / "of" / "a.txt").write_text("a")
    mlruns.run(artifact_uri=f"file://{tmp_path}/files/of")
    out, error = command("import_mlflow", mlruns.root, "--artifacts", str(tmp_path / "files"))
    assert not error, out
    assert Artifact.objects.get().path == "a.txt"


def test_a_broken_line_of_a_metric_is_told_by_its_place_and_the_others_are_kept(
    mlruns: Mlruns, command: Command
) -> None:
    place = mlruns.run()
    lines = "1600000000000 0.5 0\nnonsense\n1600000000001 nan 1\n-1 1 1\n1 2 99999999999999999999\n1 2 3 4 5 6\n"
    lines += "1600000000002 0.25 2\n16000"
    mlruns.write(f"{place}/metrics/val/loss", lines)
    out, error = command("import_mlflow", mlruns.root)
    assert error
    for number in (2, 4, 5, 6, 8):
        assert f"  7/{RUN}/metrics/val/loss:{number}: " in out
    assert "metrics/val/loss:8: the line is cut off" in out and out.count("val/loss") == 5
    points = history(Run.objects.get(uid=RUN), "val/loss")
    assert list(points.steps) == [0, 1, 2] and list(points.values)[::2] == [0.5, 0.25]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (ALIASES, "YAML anchor"),
        ("run_id: !!python/object/apply:os.system [touch x]\n", "YAML anchor or tag"),
        ("a: " + "[" * 5000, "nested"),
        ("run_id: [", "not valid YAML"),
        ("", "not a mapping"),
        ("- 1\n", "not a mapping"),
        (f"run_id: {OTHER}\nstatus: 3\n", "do not name the same run"),
        (f"run_id: {RUN}\nstatus: 17\n", "is no status"),
        (b"\xff\xfe\x00", "it is not"),
    ],
)
def test_a_description_that_is_none_costs_only_its_run(
    mlruns: Mlruns, command: Command, data: str | bytes, why: str
) -> None:
    mlruns.run(OTHER)
    mlruns.write(f"7/{RUN}/meta.yaml", data)
    out, error = command("import_mlflow", mlruns.root)
    assert error and RUN in out and why in out
    assert [run.uid for run in Run.objects.all()] == [OTHER]


def test_names_and_values_that_do_not_fit_are_told_and_the_run_comes(mlruns: Mlruns, command: Command) -> None:
    place = mlruns.run()
    mlruns.write(f"{place}/params/long", "x" * 1_000_001)
    mlruns.write(f"{place}/params/nul", "a\0b")
    mlruns.write(f"{place}/params/bytes", b"\xff")
    mlruns.write(f"{place}/tags/{'n' * 251}", "value")
    mlruns.write(f"{place}/params/good", "1")
    mlruns.write(f"{place}/artifacts/back\\slash", "x")
    mlruns.write(f"{place}/artifacts/A", "x")
    mlruns.write(f"{place}/artifacts/a", "y")
    mlruns.write(f"{place}/artifacts/good", "z")
    out, error = command("import_mlflow", mlruns.root)
    assert error
    for name in ("'long'", "'nul'", "params/bytes", "nnn", "back\\slash", "by case"):
        assert name in out, name
    run = Run.objects.get()
    assert list(run.parameters.values_list("name", "value")) == [("good", "1")] and not run.tags.exists()
    assert [artifact.path for artifact in run.artifacts.all()] == ["A", "good"]
    assert "\0" not in out and len(out) < 5000


def test_a_circle_of_parents_stays_tags(mlruns: Mlruns, command: Command) -> None:
    mlruns.write(f"{mlruns.run()}/tags/mlflow.parentRunId", OTHER)
    mlruns.write(f"{mlruns.run(OTHER)}/tags/mlflow.parentRunId", RUN)
    assert command("import_mlflow", mlruns.root)[1] == ""
    parents = {run.uid: run.parent_id for run in Run.objects.all()}
    assert sorted(parents.values(), key=bool)[0] is None and len([each for each in parents.values() if each]) == 1
    assert command("import_mlflow", mlruns.root)[1] == ""


def test_a_child_that_is_kept_is_not_below_a_parent_in_the_trash(mlruns: Mlruns, command: Command) -> None:
    """It would go for good with it."""
    mlruns.run(OTHER, lifecycle_stage="deleted")
    mlruns.write(f"{mlruns.run()}/tags/mlflow.parentRunId", OTHER)
    for _ in range(2):
        assert command("import_mlflow", mlruns.root)[1] == ""
    child, parent = Run.objects.get(uid=RUN), Run.objects.get(uid=OTHER)
    assert child.parent is None and child.tags.get().value == OTHER and parent.deleted_at is not None
    assert parent.deleted_why == f"It was deleted in {mlruns.root}."


def test_what_the_portal_has_no_place_for_is_told(mlruns: Mlruns, command: Command) -> None:
    mlruns.run()
    mlruns.meta("7/traces/tr-1", request_id="tr-1")
    mlruns.version(1, name="hello", source="dummy-source")
    mlruns.write("models/hello/tags/mlflow.prompt.is_prompt", "true")
    out, error = command("import_mlflow", mlruns.root)
    assert error and "experiment churn: it has traces" in out and "registered model hello: it is a prompt" in out
    assert not RegisteredModel.objects.exists() and Run.objects.count() == 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: None, "neither an http(s) address, nor a database of MLflow's, nor a folder"),
        (lambda root: root.mkdir(), "no experiment of MLflow's file store"),
        (lambda root: (root / "0" / RUN / "artifacts").mkdir(parents=True), "mlflow server --backend-store-uri"),
    ],
)
def test_what_is_no_mlruns_says_so(tmp_path: Path, command: Command, make: object, said: str) -> None:
    make(tmp_path / "none")  # type: ignore[operator]
    assert said in command("import_mlflow", tmp_path / "none")[1]


def test_what_a_stranger_names_things_does_nothing_to_a_terminal(mlruns: Mlruns, command: Command) -> None:
    mlruns.run("\x1b]0;owned\x07".ljust(32, "0"))
    out, _ = command("import_mlflow", mlruns.root)
    assert "owned" in out and "\x1b" not in out and "\x07" not in out
