"""Runs from a laptop against a real portal: submitted ones, their logs, files and ends; ones that the notebook executes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.portal import Portal
from tests.sdk.conftest import Notebook, interpreter

pytestmark = pytest.mark.slow

TRAIN = """\
import os, sys, time
from azureml.core import Run
run = Run.get_context()
print("arguments", sys.argv[1:], os.environ["MODE"], flush=True)
for step in range(3):
    run.log("loss", 1 / (step + 1))
run.log_row("curve", x=1, y=2)
run.log("nothing", float("nan"))
run.tag("from", "script")
open("outputs/model.txt", "w").write("weights")
os.makedirs("outputs/more", exist_ok=True)
open("outputs/more/notes.txt", "w").write("notes")
"""
SUBMIT = """
env = Environment.get(ws, "AzureML-Minimal")
def submit(script, arguments=(), **more):
    config = ScriptRunConfig("code", script=script, arguments=list(arguments), environment=env)
    config.run_config.environment_variables = {"MODE": "fast"}
    return Experiment(ws, "laptop").submit(config, **more)
"""


def test_a_submitted_run_is_followed_and_its_results_come_back(notebook: Notebook) -> None:
    notebook.write("code/train.py", TRAIN)
    notebook.write("code/.amlignore", "secret.txt\n")
    notebook.write("code/secret.txt", "not for others")
    told = notebook(
        SUBMIT
        + """
run = submit("train.py", ["--rate", 0.1], tags={"purpose": "trial"})
details = run.wait_for_completion(show_output=True)
run.download_file("outputs/model.txt")
run.download_file("outputs/model.txt", output_file_path="there/")
run.download_files(prefix="outputs", output_directory="all")
run.download_files(prefix="outputs", output_directory="bare", append_prefix=False)
archive = run.restore_snapshot(path="back")
import zipfile
metrics = run.get_metrics()
assert metrics.pop("nothing") != metrics.get("nothing")
result = {
    "details": details, "id": run.id, "metrics": metrics, "loss": run.get_metrics("loss"),
    "files": run.get_file_names(), "tags": run.get_tags(), "status": run.get_status(), "type": run.type,
    "environment": run.get_environment().name, "zip": sorted(zipfile.ZipFile(archive).namelist()),
    "logs": run.get_all_logs("logs"), "with_logs": run.get_details_with_logs()["logFiles"],
    "same": [Run.get(ws, run.id).number == run.number, Run(run.experiment, run.id).id == run.id,
             [one.id for one in run.experiment.get_runs()][0] == run.id,
             [one.id for one in run.experiment.get_runs(tags={"purpose": "trial"})][0] == run.id,
             [one.id for one in run.experiment.get_runs(tags={"purpose": "other"})] == [],
             [one.id for one in Run.list(run.experiment, status="Failed")] == []],
    "url": run.get_portal_url(),
}
"""
    )
    details = told["details"]
    assert details["runId"] == told["id"]
    assert (details["target"], details["status"], details["submittedBy"]) == ("local", "Completed", "admin")
    assert details["runDefinition"]["arguments"] == ["--rate", "0.1"]
    assert details["properties"]["ContentSnapshotId"]
    assert {"startTimeUtc", "endTimeUtc", "inputDatasets", "outputDatasets", "logFiles"} <= details.keys()
    assert "error" not in details
    assert told["metrics"] == {"loss": [1.0, 0.5, pytest.approx(1 / 3)], "curve": {"x": 1, "y": 2}}
    assert list(told["loss"]) == ["loss"]
    assert told["files"] == ["outputs/model.txt", "outputs/more/notes.txt", "user_logs/std_log.txt"]
    assert told["tags"] == {"purpose": "trial", "from": "script"}
    assert (told["status"], told["type"], told["environment"]) == ("Completed", "azureml.scriptrun", "AzureML-Minimal")
    assert "train.py" in told["zip"]
    assert "secret.txt" not in told["zip"]
    assert told["same"] == [True] * 6
    assert "arguments ['--rate', '0.1'] fast" in told["with_logs"]["user_logs/std_log.txt"]
    for path in ("model.txt", "there/model.txt", "all/outputs/model.txt", "bare/model.txt"):
        assert (notebook.folder / path).read_text() == "weights"
    assert (notebook.folder / "all/outputs/more/notes.txt").read_text() == "notes"
    assert "fast" in (notebook.folder / told["logs"][0]).read_text()

    shown = notebook.printed
    assert shown.index(f"RunId: {told['id']}\nWeb View: {told['url']}\n") < shown.index(
        "Streaming user_logs/std_log.txt\n"
    )
    assert "arguments ['--rate', '0.1'] fast\n" in shown
    assert shown.count("\narguments [") == 1
    assert f"\nExecution Summary\n=================\nRunId: {told['id']}\nWeb View: {told['url']}\n" in shown


def test_a_failing_run_raises_with_the_reason_unless_told_not_to(notebook: Notebook) -> None:
    notebook.write("code/fail.py", "raise KeyError('petal lenght')\n")
    told = notebook(
        SUBMIT
        + """
from azureml.exceptions import ActivityFailedException, UserErrorException
run = submit("fail.py")
try:
    run.wait_for_completion()
except ActivityFailedException as error:
    result = [str(error)]
details = run.wait_for_completion(show_output=True, raise_on_error=False)
try:
    run.download_file("outputs/nothing.pkl")
except UserErrorException as error:
    missing = str(error)
result += [details["status"], details["error"]["error"], missing]
"""
    )
    message, status, error, missing = told
    assert message.startswith("Activity Failed:\n{")
    assert "KeyError: 'petal lenght'" in message
    assert status == "Failed"
    assert error["code"] == "UserError"
    assert "(fail.py, line 1)" in error["message"]
    assert "\nError:\n{" in notebook.printed
    assert "user_logs/std_log.txt" in missing


def test_a_run_is_cancelled_from_the_notebook(notebook: Notebook) -> None:
    notebook.write("code/sleep.py", "import time\nprint('asleep', flush=True)\ntime.sleep(300)\n")
    assert notebook(
        SUBMIT
        + """
run = submit("sleep.py")
while run.get_status() != "Running":
    time.sleep(0.2)
run.cancel()
result = [run.get_status(), run.wait_for_completion()["status"]]
"""
    ) in (["CancelRequested", "Canceled"], ["Canceled", "Canceled"])


@pytest.mark.parametrize("minor", ["3.6", "3.8", "3.11", "3.13"])
def test_an_interactive_run_logs_from_the_notebook_and_loses_nothing(notebook: Notebook, minor: str) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"Python {minor} is not installed")
    notebook.write("picture.png", "no picture")
    told = notebook(
        """
experiment = Experiment(ws, "interactive")
run = experiment.start_logging(snapshot_directory=None, display_name="by hand")
begun = time.time()
for number in range(3000):
    run.log("loss", number)
slow = time.time() - begun
run.log("word", "yes")
run.log_list("list", [1, 2, 3])
run.log_table("table", {"x": [1, 2]})
run.log_image("picture", path="picture.png")
open("picture.png", "w").write("another one")
run.log_image("picture", path="picture.png")
run.upload_file("notes.txt", "notebook.py")
run.tag("alone")
run.set_tags({"a": 1})
run.add_properties({"author": "me"})
try:
    run.add_properties({"author": "you"})
except Exception as error:
    refused = type(error).__name__
state = run.get_status()
run.complete()
metrics = run.get_metrics()
result = [slow < 1, len(metrics["loss"]), metrics["loss"][-1], metrics["word"], metrics["list"], metrics["table"],
          run.get_file_names(), run.remove_tags(["a", "b"]), run.tags, run.properties, refused, state,
          run.get_status(), run.display_name, run.get_details()["target"]]
""",
        python=python,
    )
    assert told == [
        True,
        3000,
        2999.0,
        "yes",
        [1, 2, 3],
        {"x": [1, 2]},
        ["notes.txt", "picture.png", "picture_1.png"],
        ["a"],
        {"alone": None},
        {"author": "me"},
        "UserErrorException",
        "Running",
        "Completed",
        "by hand",
        "sdk",
    ]


def test_an_interactive_run_keeps_its_outputs_folder_and_a_snapshot(notebook: Notebook) -> None:
    notebook.write("code/train.py", TRAIN)
    told = notebook(
        """
experiment = Experiment(ws, "outputs")
run = experiment.start_logging(snapshot_directory=None)
open("outputs/model.pkl", "w").write("weights")
before = run.get_file_names()
uid = run.take_snapshot("code")
run.complete()
model = run.register_model(model_name="interactive", model_path="outputs/model.pkl", model_framework="Custom")
with experiment.start_logging(snapshot_directory="code", outputs=False) as without:
    pass
try:
    run.complete()
except Exception as error:
    again = type(error).__name__
result = [before, run.get_file_names(), model.run_id == run.id, run.get_snapshot_id() == uid,
          without.get_file_names(), bool(without.get_snapshot_id()), again]
"""
    )
    assert told == [[], ["outputs/model.pkl"], True, True, [], True, "UserErrorException"]


def test_a_configuration_without_an_environment_runs_and_is_ended_as_failed(notebook: Notebook) -> None:
    notebook.write("code/sleep.py", "import time\ntime.sleep(300)\n")
    told = notebook("""
run = Experiment(ws, "bare").submit(ScriptRunConfig("code", script="sleep.py"))
run.fail("enough", "E7")
try:
    run.wait_for_completion()
except Exception as error:
    result = [run.get_environment().name, run.get_status(), str(error)]
run.complete()
run.fail("too late")
""")
    assert told[:2] == ["AzureML-Minimal", "Failed"]
    assert "enough" in told[2]


def test_what_was_logged_is_sent_when_the_notebook_ends_without_a_word(notebook: Notebook) -> None:
    uid = notebook("""
run = Experiment(ws, "interactive").start_logging(snapshot_directory=None)
for number in range(500):
    run.log("loss", number)
result = run.id
""")
    assert notebook(f"result = len(Run.get(ws, {uid!r}).get_metrics()['loss'])") == 500


def test_a_with_block_completes_or_fails_and_a_child_ends_by_itself(notebook: Notebook) -> None:
    told = notebook("""
experiment = Experiment(ws, "blocks")
with experiment.start_logging(snapshot_directory=None) as good:
    with good.child_run("first") as first:
        first.log("k", 1)
    others = good.create_children(tag_key="fold", tag_values=[1, 2])
    for child in others:
        child.complete()
    (plain,) = good.create_children(count=1)
    plain.cancel()
try:
    with experiment.start_logging(snapshot_directory=None) as bad:
        raise ValueError("no data")
except ValueError:
    pass
children = list(good.get_children())
result = [good.get_status(), bad.get_status(), bad.get_details()["error"]["error"]["message"],
          sorted(child.get_status() for child in children), {child.parent.id for child in children} == {good.id},
          sorted(child.get_tags()["fold"] for child in good.get_children(tags="fold")),
          [child.get_metrics() for child in good.get_children() if child.id == first.id],
          good.get_metrics(recursive=True)[first.id],
          len(list(experiment.get_runs())), len(list(experiment.get_runs(include_children=True)))]
""")
    assert told[:2] == ["Completed", "Failed"]
    assert "ValueError: no data" in told[2]
    assert told[3:] == [["Canceled", *["Completed"] * 3], True, ["1", "2"], [{"k": 1.0}], {"k": 1.0}, 2, 6]


def test_a_script_has_children_and_registers_what_it_has_just_written(notebook: Notebook) -> None:
    notebook.write(
        "code/script.py",
        """\
from azureml.core import Run
run = Run.get_context()
for fold in range(2):
    with run.child_run("fold {}".format(fold)) as child:
        child.log("accuracy", 0.9)
open("outputs/model.txt", "w").write("weights")
model = run.register_model("from-script", "outputs/model.txt", model_framework="Custom", tags={"k": "v"})
print(model.name, model.version, model.run_id == run.id)
from azureml.core import Model
again = Model(run.experiment.workspace, "from-script")
print("READ", open(again.download("champion")).read(), run.get_environment().name, run.restore_snapshot()[-4:])
try:
    run.experiment.workspace.webservices
except Exception as error:
    print("REFUSED", error)
""",
    )
    told = notebook(
        SUBMIT
        + """
run = submit("script.py")
run.wait_for_completion(show_output=True)
model = Model(ws, "from-script")
result = [[child.get_metrics() for child in run.get_children()], model.run_id == run.id, model.tags,
          open(model.download("got")).read()]
"""
    )
    assert told == [[{"accuracy": 0.9}] * 2, True, {"k": "v"}, "weights"]
    assert "from-script 1 True\n" in notebook.printed
    assert "READ weights AzureML-Minimal .zip\n" in notebook.printed
    assert "REFUSED A run's token opens that run and its children, and reads the models" in notebook.printed


def test_a_child_that_the_portal_executes_knows_its_parent(notebook: Notebook) -> None:
    notebook.write(
        "code/child.py",
        """\
from azureml.core import Run
run = Run.get_context()
parent = run.parent
print("PARENT", parent.id, flush=True)
parent.log("from the child", 1)
parent.flush()
""",
    )
    told = notebook(
        SUBMIT
        + """
parent = Experiment(ws, "family").start_logging(snapshot_directory=None, display_name="the parent")
child = parent.submit_child(ScriptRunConfig("code", script="child.py", environment=env), tags={"k": "v"})
child.wait_for_completion(show_output=True, raise_on_error=False)
parent.complete()
result = [parent.id, [one.id for one in parent.get_children(tags={"k": "v"})] == [child.id], child.parent.id,
          parent.get_metrics()]
"""
    )
    assert told[1:] == [True, told[0], {}]  # a script may not write to what is above it
    assert f"PARENT {told[0]}\n" in notebook.printed
    assert f"PortalWarning: 1 metrics of run {told[0]} were refused" in notebook.printed


def test_a_submission_says_what_repository_the_code_is_of(notebook: Notebook) -> None:
    notebook.write("code/train.py", TRAIN)
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["commit", "-qm", "first"],
        ["remote", "add", "origin", "https://me:secret@example.org/repo.git"],
    ):
        subprocess.run([*git, *words], cwd=notebook.folder / "code", check=True)
    told = notebook(
        SUBMIT
        + """
run = submit("train.py")
result = run.get_properties()
run.cancel()
"""
    )
    assert re.fullmatch("[0-9a-f]{40}", told["azureml.git.commit"])
    assert told["azureml.git.repository_uri"] == "https://example.org/repo.git"
    assert told["azureml.git.dirty"] == "False"


def test_an_interrupted_wait_leaves_the_run_alone(notebook: Notebook) -> None:
    notebook.write("code/sleep.py", "import time\nprint('asleep', flush=True)\ntime.sleep(300)\n")
    status, error, later = notebook(
        SUBMIT
        + """
import signal, threading
run = submit("sleep.py")
while run.get_status() != "Running":
    time.sleep(0.2)
threading.Timer(2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    run.wait_for_completion(show_output=True)
except Exception as interruption:
    result = [run.get_status(), "{}: {}".format(type(interruption).__name__, interruption)]
run.cancel()
result.append(run.wait_for_completion()["status"])
"""
    )
    assert (status, later) == ("Running", "Canceled")
    assert error.startswith("ExperimentExecutionException: The output streaming for the run interrupted.\n")


def test_metrics_wait_for_a_portal_that_is_away_and_go_to_a_file_when_it_stays_away(
    tmp_path: Path, offline_environment: dict[str, str]
) -> None:
    home = tmp_path / "away"
    program = """
import os, signal, sys, time
from azureml.core import Experiment, Workspace
from azureml import _remote
_remote.EXIT_SECONDS = 3
run = Experiment(Workspace("", "", "default"), "away").start_logging(snapshot_directory=None)
run.log("before", 1)
run.flush()
print(run.id, flush=True)
sys.stdin.readline()
begun = time.time()
for number in range(1000):
    run.log("during", number)
print("slow" if time.time() - begun > 1 else "quick", flush=True)
sys.stdin.readline()
"""
    with Portal(home, {}) as portal:
        environment = {
            **offline_environment,
            "MLPORTAL_URL": portal.url,
            "MLPORTAL_TOKEN": portal.token,
            "TMPDIR": str(tmp_path),
        }

        def start() -> subprocess.Popen[str]:
            python = interpreter("3.6") or "python3"
            return subprocess.Popen(
                [python, "-c", program], env=environment, stdin=-1, stdout=-1, text=True, cwd=tmp_path
            )

        def say(process: subprocess.Popen[str]) -> None:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

        def hear(process: subprocess.Popen[str]) -> str:
            assert process.stdout is not None
            return process.stdout.readline().strip()

        back, away = start(), start()
        uids = [hear(back), hear(away)]
        portal.stop()
        for process in (back, away):
            say(process)
            assert hear(process) == "quick"
        say(away)  # ends while there is no portal
        rest = away.communicate(timeout=60)[0]
        portal.start()
        say(back)
        assert back.communicate(timeout=90)[0].strip() == ""
        with portal.client() as client:
            assert len(client.get(f"runs/{uids[0]}/metrics/azure/")["during"]) == 1000
            assert "during" not in client.get(f"runs/{uids[1]}/metrics/azure/")
        path = rest.strip().rpartition(" ")[2]
        assert "1000 metrics of run" in rest
        assert len(Path(path).read_text().splitlines()) == 1000
        os.unlink(path)
