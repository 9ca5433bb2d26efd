"""Identity, tags, properties, the end of the run, and names that are not there."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Script = Callable[[str], Any]
Records = Callable[[], list[dict[str, Any]]]


def test_the_run_knows_itself_its_experiment_and_its_workspace(script: Script) -> None:
    assert script("""
from azureml.core.run import _OfflineRun
workspace = run.experiment.workspace
assert not isinstance(run, _OfflineRun) and isinstance(run, Run)
result = [run.id, run.display_name, run.number, run.parent, run.status, run.get_status(), run.experiment.name,
          run.experiment.id, workspace.name, workspace.subscription_id, workspace.resource_group,
          workspace.get_mlflow_tracking_uri(), Run(run.experiment, run.id).id, Run.get_submitted_run().id]
""") == [
        "train_1",
        "train_1",
        None,
        None,
        "Running",
        "Running",
        "train-sklearn",
        "7",
        "default",
        "00000000-0000-0000-0000-000000000000",
        "mlportal",
        "http://127.0.0.1:8000",
        "train_1",
        "train_1",
    ]


def test_tags_are_set_changed_and_removed(script: Script, records: Records) -> None:
    result = script("""
run.tag("reviewed")
run.tag("quality", "good")
run.set_tags({"quality": "better", "attempt": 2})
before = run.get_tags()
removed = run.remove_tags(["attempt", "unknown"])
result = [before, removed, run.tags]
""")
    assert result == [
        {"reviewed": None, "quality": "better", "attempt": "2"},
        ["attempt"],
        {"reviewed": None, "quality": "better"},
    ]
    assert records()[0] == {"k": "tag", "n": "reviewed", "v": None}
    assert records()[-1] == {"k": "untag", "n": "attempt"}


def test_properties_are_written_once(script: Script, records: Records) -> None:
    result = script("""
from azureml.exceptions import AzureMLException
run.add_properties({"author": "azureml-user", "folds": 5})
try:
    run.add_properties({"new": "x", "author": "somebody else"})
except AzureMLException as error:
    result = [str(error), run.get_properties()]
""")
    assert result == [
        "properties cannot be changed once they are set: author",
        {"author": "azureml-user", "folds": "5"},
    ]
    assert records() == [
        {"k": "property", "n": "author", "v": "azureml-user"},
        {"k": "property", "n": "folds", "v": "5"},
    ]


def test_complete_and_fail_are_noted(script: Script, records: Records) -> None:
    script("""
run.complete()
run.fail("no data", error_code=404)
run.fail()
run.flush()
""")
    assert records() == [
        {"k": "complete"},
        {"k": "fail", "message": "no data", "code": "404"},
        {"k": "fail", "message": None, "code": None},
    ]


def test_a_with_block_completes_or_fails_the_run(script: Script, records: Records) -> None:
    script("""
import sys
with Run.get_context() as same:
    assert same.id == run.id
for error in (SystemExit(0), SystemExit(3), KeyError("column")):
    try:
        with run:
            raise error
    except BaseException as raised:
        assert raised is error
""")
    assert records() == [
        {"k": "complete"},
        {"k": "complete"},
        {"k": "fail", "message": "SystemExit: 3", "code": None},
        {"k": "fail", "message": "KeyError: 'column'", "code": None},
    ]


def test_members_that_are_not_there_say_what_to_use_instead(script: Script) -> None:
    assert script("""
from azureml.core import Workspace
result = []
for ask in (
    lambda: run.get_secret("key"),
    lambda: run.cancel(),
    lambda: run.wait_for_completion(),
    lambda: Run.list_by_compute(None),
    lambda: run.experiment.workspace.images,
    lambda: run.no_such_thing,
):
    try:
        ask()
    except AttributeError as error:
        result.append(str(error))
assert not hasattr(run, "get_secret")
""") == [
        (
            "Run.get_secret is not supported here: "
            "read the secret from os.environ: run_config.environment_variables brings it there"
        ),
        "Run.cancel is not supported in the run itself: call fail(), or leave the script with sys.exit",
        "Run.wait_for_completion is not supported in the run itself: it completes when the script ends",
        "Run.list_by_compute is not supported here: use Experiment.get_runs",
        "Workspace.images is not supported here: the portal makes no images: see environments",
        "Run.no_such_thing is not supported here: see the portal's documentation for what its SDK covers",
    ]


def test_what_needs_an_answer_says_that_there_is_no_portal(script: Script) -> None:
    kind, message = script("""
try:
    run.child_run()
except Exception as error:
    result = [type(error).__name__, str(error)]
""")
    assert kind == "NotConfigured"
    assert "MLPORTAL_URL" in message


def test_names_that_are_not_there_fail_to_import_with_the_reason(script: Script) -> None:
    message, own = script("""
try:
    from azureml.core import LinkedService
except ImportError as error:
    message = str(error)
try:
    from azureml.core import Datset
except ImportError as error:
    own = str(error)
result = [message, own]
""")
    assert message == (
        "azureml.core.LinkedService is not supported here: use the portal's pages or its JSON API (/api/docs/)"
    )
    assert own.startswith("cannot import name 'Datset'")


def test_the_run_may_be_copied_and_pickled(script: Script, records: Records) -> None:
    script("""
import copy, pickle
copy.deepcopy(run).log("copy", 1)
pickle.loads(pickle.dumps(run)).log("pickle", 2)
""")
    assert [record["n"] for record in records()] == ["copy", "pickle"]


def test_telemetry_switches_do_nothing(script: Script, run_directory: Path) -> None:
    script("""
from azureml.telemetry import set_diagnostics_collection
set_diagnostics_collection(send_diagnostics=True)
""")
    assert (run_directory / "metrics.jsonl").read_text() == ""


def test_importing_the_sdk_loads_nothing_heavy(python: str, run_environment: dict[str, str]) -> None:
    heavy = {"asyncio", "http.client", "logging", "shutil", "ssl", "subprocess", "tempfile", "urllib.request", "uuid"}
    # without site: what is installed beside an interpreter may import them at its start
    program = "import azureml.core, sys; azureml.core.Run.get_context().log('a', 1); print(*sys.modules)"
    command = [python, "-S", "-c", program]
    done = subprocess.run(command, env=run_environment, capture_output=True, text=True, check=True)
    assert "mlportal_sdk.recorder" in done.stdout.split()
    assert heavy.isdisjoint(done.stdout.split())


def test_a_lone_module_import_is_enough(python: str, run_environment: dict[str, str]) -> None:
    program = "import azureml.core; print(azureml.core.VERSION); azureml.core.Run.get_context().log('a', 1)"
    done = subprocess.run([python, "-c", program], env=run_environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1.61.0\n"
