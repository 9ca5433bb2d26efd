"""What an import writes, whom it asks, and that it can be repeated: all by hand-made folders."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from experiments import services
from experiments.models import Artifact, Experiment, LoggedModel, Metric, Run
from experiments.status import RunStatus
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.access.services import create_workspace
from mlportal.blobs.models import Blob
from models_registry.models import ModelVersion, RegisteredModel
from tests.mlflow_port.conftest import MODEL, OTHER, RUN, Command, Mlruns

pytestmark = pytest.mark.django_db
ENDED = datetime(2020, 9, 13, 12, 26, 41, tzinfo=UTC)


def test_a_run_keeps_its_id_its_times_and_says_where_it_is_from(mlruns: Mlruns, command: Command, owner: User) -> None:
    mlruns.run(user_id="ada")
    assert command("import_mlflow", mlruns.root)[1] == ""
    run = Run.objects.get(uid=RUN)
    assert (run.status, run.ended_at, run.created_by) == (RunStatus.COMPLETED, ENDED, None)
    assert run.started_at == run.created_at == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
    event = run.events.get()
    assert (event.old, event.new, event.actor) == ("", "Completed", owner)
    assert event.reason == f"imported from {mlruns.root}"
    assert run.tags.get().name == "mlflow.user" and run.tags.get().value == "ada"
    assert AuditEvent.objects.filter(action="experiment.create", actor=owner, subject="churn").exists()


def test_a_run_is_its_persons_where_the_workspace_has_one_of_that_name(
    mlruns: Mlruns, command: Command, contributor: User, stranger: User
) -> None:
    mlruns.run(user_id="carl")
    mlruns.run(OTHER, user_id="sam")
    assert command("import_mlflow", mlruns.root)[1] == ""
    assert Run.objects.get(uid=RUN).created_by == contributor and Run.objects.get(uid=OTHER).created_by is None
    assert not Run.objects.get(uid=RUN).tags.exists()


@pytest.mark.parametrize("name", ["rita", "sam", "nobody"])
def test_who_may_not_write_imports_nothing(
    mlruns: Mlruns, command: Command, reader: User, stranger: User, name: str
) -> None:
    mlruns.run()
    out, error = command("import_mlflow", mlruns.root, "--by", name)
    assert out == "" and ("needs the role contributor" in error or "no active user" in error)
    assert not Run.objects.exists() and not Experiment.objects.exists()


def test_a_contributor_imports_in_their_own_name(mlruns: Mlruns, command: Command, contributor: User) -> None:
    mlruns.run()
    assert command("import_mlflow", mlruns.root, "--by", "carl")[1] == ""
    assert Run.objects.get().events.get().actor == contributor


def test_a_workspace_that_is_not_there_is_named(mlruns: Mlruns, workspace: Workspace) -> None:
    with pytest.raises(CommandError, match="no workspace 'none'; there are lab"):
        call_command("import_mlflow", str(mlruns.root), "--workspace", "none")


def test_a_dry_run_writes_nothing(mlruns: Mlruns, command: Command) -> None:
    mlruns.write(f"{mlruns.run()}/artifacts/a.txt", "a")
    mlruns.logged_model()
    mlruns.version(1, model_id=MODEL, source=f"models:/{MODEL}")
    out, error = command("import_mlflow", mlruns.root, "--dry-run")
    assert not error
    assert out == (
        "Would import into lab: 1 experiments, 1 runs, 1 files, 1 logged models, 1 registered models, 1 versions\n"
    )
    for model in (Experiment, Run, LoggedModel, RegisteredModel, Blob, AuditEvent):
        rows = (
            model._default_manager.exclude(action__startswith="workspace.")
            if model is AuditEvent
            else model._default_manager
        )
        assert not rows.exists(), model


def test_only_the_experiments_that_are_named_come(mlruns: Mlruns, command: Command) -> None:
    mlruns.run()
    mlruns.meta("8", name="other", experiment_id="8", lifecycle_stage="active")
    mlruns.meta(f"8/{OTHER}", run_id=OTHER, status=3, lifecycle_stage="active")
    mlruns.version(1, run_id=OTHER, source=f"runs:/{OTHER}/model")
    out, error = command("import_mlflow", mlruns.root, "--experiment", "churn", "--experiment", "none")
    assert error and "experiment none: the source has none of this name" in out
    assert [each.name for each in Experiment.objects.all()] == ["churn"] and Run.objects.count() == 1
    assert not RegisteredModel.objects.exists() and "1 versions of other experiments left out" in out


def test_an_import_that_broke_off_goes_on(mlruns: Mlruns, command: Command) -> None:
    place = mlruns.run()
    for name in "abc":
        mlruns.write(f"{place}/artifacts/{name}", name)
    mlruns.write(f"{place}/metrics/loss", "1 0.5 0\n")
    command("import_mlflow", mlruns.root)
    Artifact.objects.filter(path="b").delete()
    mlruns.run(OTHER)
    out, error = command("import_mlflow", mlruns.root)
    assert (out, error) == (
        "Imported into lab: 1 experiments already here, 1 runs already here, 1 files, 1 runs, 0 points\n",
        "",
    )
    assert (
        sorted(Artifact.objects.values_list("path", flat=True)) == ["a", "b", "c"] and Metric.objects.get().count == 1
    )


def test_a_run_that_was_changed_stays_and_is_told(mlruns: Mlruns, command: Command) -> None:
    place = mlruns.run()
    mlruns.write(f"{place}/metrics/loss", "1 0.5 0\n")
    command("import_mlflow", mlruns.root)
    mlruns.write(f"{place}/metrics/loss", "1 0.5 0\n2 0.25 1\n")
    mlruns.write(f"{place}/params/depth", "3")
    out, error = command("import_mlflow", mlruns.root)
    assert error and "it is here already and differs in its parameters, metrics; it stays as it is" in out
    assert Metric.objects.get().count == 1 and not Run.objects.get().parameters.exists()


def test_a_run_that_went_on_is_brought_to_its_end(mlruns: Mlruns, command: Command) -> None:
    place = mlruns.run(status=1, end_time=None)
    mlruns.write(f"{place}/metrics/loss", "1 0.5 0\n")
    mlruns.write(f"{place}/tags/t", "1")
    command("import_mlflow", mlruns.root)
    assert Run.objects.get().status == RunStatus.RUNNING
    mlruns.run(status=4)
    mlruns.write(f"{place}/metrics/loss", "1 0.5 0\n2 0.25 1\n")
    mlruns.write(f"{place}/tags/t", "2")
    out, error = command("import_mlflow", mlruns.root)
    run = Run.objects.get()
    assert not error and "1 runs gone on with" in out
    assert (run.status, run.ended_at, run.tags.get().value) == (RunStatus.FAILED, ENDED, "2")
    assert list(services.history(run, "loss").values) == [0.5, 0.25]
    assert [(event.old, event.new) for event in run.events.all()] == [("", "Running"), ("Running", "Failed")]


def test_an_id_of_another_workspace_is_not_touched(mlruns: Mlruns, command: Command, owner: User) -> None:
    mlruns.run()
    mlruns.logged_model()
    create_workspace("other", by=owner)
    call_command("import_mlflow", str(mlruns.root), "--workspace", "other")
    out, error = command("import_mlflow", mlruns.root)
    assert error and f"run {RUN}: the workspace other has a run of this id" in out
    assert f"logged model {MODEL}: the workspace other has a logged model of this id" in out
    assert Run.objects.get().workspace.name == "other"


def test_versions_keep_their_numbers_and_copies_their_files(mlruns: Mlruns, command: Command) -> None:
    place = mlruns.run()
    mlruns.write(f"{place}/artifacts/model/MLmodel", "flavors:\n  sklearn: {sklearn_version: '1.5.0'}\n")
    mlruns.version(2, run_id=RUN, source=f"runs:/{RUN}/model", current_stage="Staging", user_id="ada")
    mlruns.version(5, name="Copy", source="models:/Iris/2")
    mlruns.write("models/Copy/aliases/best", "5")
    mlruns.write("models/Copy/aliases/lost", "4")
    out, error = command("import_mlflow", mlruns.root)
    assert error and "alias Copy@lost: there is no version 4" in out
    version, copy = ModelVersion.objects.get(model__name="Iris"), ModelVersion.objects.get(model__name="Copy")
    assert (version.version, version.stage, version.framework_version) == (2, "Staging", "1.5.0")
    assert version.properties == {"mlflow.user": "ada"} and version.model.last_version == 2
    assert copy.version == 5 and [file.path for file in copy.files.all()] == ["model/MLmodel"]
    assert copy.aliases.get().name == "best"


def test_a_version_without_files_gets_them_when_they_are_there(mlruns: Mlruns, command: Command) -> None:
    place = mlruns.run()
    mlruns.version(1, run_id=RUN, source=f"runs:/{RUN}/model")
    out, error = command("import_mlflow", mlruns.root)
    assert error and "version Iris:1, files: its files are at" in out
    mlruns.write(f"{place}/artifacts/model/MLmodel", "flavors: {}\n")
    assert command("import_mlflow", mlruns.root)[1] == ""
    assert [file.path for file in ModelVersion.objects.get().files.all()] == ["model/MLmodel"]


@pytest.mark.parametrize(
    ("status", "end"), [(3, None), (4, 1_600_000_001_000), (4, None), (5, None), (1, None), (2, None)]
)
def test_every_imported_run_has_its_pages(
    mlruns: Mlruns, command: Command, client: Client, owner: User, status: int, end: int | None
) -> None:
    mlruns.run(status=status, end_time=end)
    command("import_mlflow", mlruns.root)
    client.force_login(owner)
    for page in (f"/w/lab/runs/{RUN}/", "/w/lab/experiments/churn/", "/w/lab/"):
        assert client.get(page).status_code == 200, page
    run = client.get(f"/api/v1/workspaces/lab/runs/{RUN}/").json()
    assert run["status"] == {1: "Running", 2: "Running", 3: "Completed", 4: "Failed", 5: "Canceled"}[status]


def test_what_only_the_portal_knows_leaves_as_a_file(
    workspace: Workspace, owner: User, command: Command, tmp_path: Path
) -> None:
    run = services.start_run(workspace, experiment="churn", properties={"p": "1"}, by=owner)
    out, error = command("export_mlflow", tmp_path / "out")
    assert not error, out
    (file,) = (tmp_path / "out").glob(f"*/{run.uid}/artifacts/mlportal/run.json")
    assert '"p": "1"' in file.read_text()


def test_an_export_does_not_write_into_what_is_there(workspace: Workspace, command: Command, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("mine")
    assert "is there already" in command("export_mlflow", tmp_path / "there")[1]
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there" / "mine").read_text() == "mine"
