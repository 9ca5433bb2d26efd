"""Outside of the portal: the offline run prints what it is asked to log, in the Azure ML SDK's words."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Offline = Callable[[str], str]


@pytest.fixture
def offline(python: str, tmp_path: Path, offline_environment: dict[str, str]) -> Offline:
    """Runs code with an offline `run` in it, on each interpreter; returns what it prints."""

    def execute(code: str) -> str:
        program = "from azureml.core.run import Run\nrun = Run.get_context()\n" + code
        command = [python, "-c", program]
        done = subprocess.run(
            command, cwd=tmp_path, env=offline_environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return execute


def test_every_call_prints_what_it_would_have_logged(offline: Offline) -> None:
    printed = offline("""
run.log("accuracy", 0.97, step=3)
run.log("kernel", "linear")
run.log_list("list", [1, 2])
run.log_row("row", "description", x=1, y=2)
run.log_table("table", {"x": [1]})
run.log_image("image", path="p.png")
run.log_image("plot", plot="figure")
run.log_confusion_matrix("matrix", {"x": 1})
run.log_accuracy_table("accuracies", {"x": 1})
run.log_predictions("predicted", {"x": 1})
run.log_residuals("rest", {"x": 1})
run.upload_file("n", "p")
run.upload_files(["n", "m"], ["p", "q"])
run.upload_folder("n", "p")
run.tag("k")
run.tag("k", "v")
run.set_tags({"a": 1})
run.add_properties({"a": 1})
run.fail("details", "code")
run.complete()
run.cancel()
""")
    assert printed.splitlines() == [
        "Attempted to log scalar metric accuracy:",
        "0.97",
        "Attempted to log scalar metric kernel:",
        "linear",
        "Attempted to log list metric list:",
        "[1, 2]",
        "Attempted to log row metric row:",
        "{'x': 1, 'y': 2}",
        "Attempted to log table metric table:",
        "{'x': [1]}",
        "Attempted to log image metric image:",
        "p.png",
        "Attempted to log image metric plot:",
        "figure",
        "Attempted to log confusion_matrix metric matrix:",
        "{'x': 1}",
        "Attempted to log accuracy_table metric accuracies:",
        "{'x': 1}",
        "Attempted to log predictions metric predicted:",
        "{'x': 1}",
        "Attempted to log residual metric rest:",
        "{'x': 1}",
        "Attempted to track file n at p",
        "Attempted to track files ['n', 'm'] at ['p', 'q'] with timeout Nones",
        "Attempted to track folder n at p",
        "Attempted to add tag k with value None",
        "Attempted to add tag k with value v",
        "Attempted to set tags {'a': 1}",
        "Attempted to add properties {'a': 1}",
        "Run failed with error code code:",
        "details",
    ]


def test_an_offline_run_has_an_id_of_its_own_and_children(offline: Offline) -> None:
    printed = offline("""
print(run.id)
with run as same:
    assert same is run
run.flush()
print(run.child_run().id, Run.get_context().id)
""").splitlines()
    run_id = printed[0]
    assert re.fullmatch(r"OfflineRun_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", run_id)
    assert printed[1:4] == [
        f"[START] Run {run_id} context",
        f"[STOP] Run {run_id} context",
        f"Attempted to flush run with id {run_id}",
    ]
    assert len({run_id, *printed[4].split()}) == 3


def test_what_only_a_portal_knows_is_an_attribute_error(offline: Offline) -> None:
    printed = offline("""
for name in ("get_metrics", "experiment", "parent", "status", "register_model", "input_datasets"):
    assert not hasattr(run, name), name
try:
    run.experiment
except AttributeError as error:
    print(error)
""")
    assert printed == (
        "OfflineRun.experiment is not supported here: this is an offline run; submit the script to the portal\n"
    )


def test_a_script_may_insist_on_a_run(offline: Offline) -> None:
    printed = offline("""
from azureml.exceptions import RunEnvironmentException
from azureml.core.run import _OfflineRun, _SubmittedRun
assert type(run) is _OfflineRun and not isinstance(run, _SubmittedRun)
try:
    Run.get_context(allow_offline=False)
except RunEnvironmentException as error:
    print(error)
""")
    assert printed == "this script is not executed by a run of the portal: submit it there\n"


def test_the_tracking_uri_alone_does_not_make_a_run(offline_environment: dict[str, str], offline: Offline) -> None:
    offline_environment["AZUREML_RUN_ID"] = "train_1"
    assert offline("print(run.id)").startswith("OfflineRun_")
