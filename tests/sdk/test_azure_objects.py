"""Workspaces, experiments, environments and compute targets from a laptop against a real portal; and what goes wrong."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.portal import Portal
from tests.sdk.conftest import Notebook, interpreter

pytestmark = pytest.mark.slow


def test_a_workspace_is_found_described_and_written_down(notebook: Notebook) -> None:
    told = notebook("""
os.makedirs("deep/er/.azureml")
os.chdir("deep/er")
above = Workspace.from_config()
above.write_config(path=".", file_name="own.json")
own = Workspace.from_config(path=".azureml", _file_name="own.json")
details = ws.get_details()
result = [ws.name, above.name, own.name, Workspace.get("default", subscription_id="s", resource_group="g").name,
          ws.location, ws.subscription_id, ws.resource_group, details["name"], details["provisioningState"],
          "default" in Workspace.list("s"), ws.get_mlflow_tracking_uri(), repr(ws), sorted(ws.environments)[:1],
          ws.get_default_compute_target().name]
""")
    url = json.loads((notebook.folder / "config.json").read_text())["portal_url"]
    assert told == [
        *["default"] * 4,
        *["mlportal"] * 3,
        "default",
        "Succeeded",
        True,
        f"{url}/w/default",
        "Workspace.create(name='default', subscription_id='mlportal', resource_group='mlportal')",
        ["AzureML-Minimal"],
        "local",
    ]
    assert json.loads((notebook.folder / "deep/er/.azureml/own.json").read_text())["portal_url"] == url


def test_a_workspace_is_made_once(notebook: Notebook) -> None:
    assert notebook("""
first = Workspace.create("made-here", subscription_id="s", resource_group="g", location="eastus")
again = Workspace.create("made-here", exist_ok=True)
try:
    Workspace.create("made-here")
except Exception as error:
    refused = type(error).__name__
result = [first.name, again.name, refused, "made-here" in Workspace.list()]
""") == ["made-here", "made-here", "UserErrorException", True]


@pytest.mark.parametrize(
    ("prepare", "kind", "says"),
    [
        ("os.remove('config.json')", "UserErrorException", "Download it from the workspace's page"),
        ("open('config.json', 'w').write('{')", "UserErrorException", "cannot be read"),
        (
            """open('config.json', 'w').write('{"workspace_name": "x", "subscription_id": "s", "resource_group": "r"}')""",
            "UserErrorException",
            "it is one of Azure's",
        ),
        ("change(workspace_name='nobodys')", "UserErrorException", "has no workspace 'nobodys'"),
        ("change(portal_url='http://127.0.0.1:1')", "Unreachable", "Is it running, and is the address right?"),
        ("del os.environ['MLPORTAL_TOKEN']", "NotConfigured", "mlportal login"),
        ("os.environ['MLPORTAL_TOKEN'] = 'mlp_wrong'", "NotAuthenticated", "a new one is made at"),
    ],
)
def test_a_workspace_that_cannot_be_reached_says_what_to_do(
    notebook: Notebook, prepare: str, kind: str, says: str
) -> None:
    told = notebook(f"""
def change(**fields):
    content = json.load(open("config.json"))
    content.update(fields)
    json.dump(content, open("config.json", "w"))

{prepare}
try:
    Workspace.from_config()
except Exception as error:
    result = [type(error).__name__, str(error)]
""")
    assert told[0] == kind
    assert says in told[1]


def test_experiments_are_tagged_hidden_brought_back_and_deleted(notebook: Notebook) -> None:
    told = notebook("""
experiment = Experiment(ws, "short-lived")
experiment.set_tags({"team": "a", "empty": None})
experiment.tag("more", 1)
experiment.remove_tags(["team"])
names = lambda **asked: [one.name for one in Experiment.list(ws, **asked) if one.name == "short-lived"]
before = [names(), names(tags={"more": "1"}), names(tags={"more": "2"}), names(experiment_name="other")]
experiment.archive()
hidden = [names(), names(view_type="ArchivedOnly"), names(view_type="All"), bool(experiment.archived_time)]
experiment.reactivate()
back = names()
result = [experiment.tags, before, hidden, back, "short-lived" in ws.experiments, experiment.get_portal_url()]
Experiment.delete(ws, experiment.id)
result.append(names(view_type="All"))
""")
    one = ["short-lived"]
    assert told[:5] == [{"empty": None, "more": "1"}, [one, one, [], []], [[], one, one, True], one, True]
    assert told[5].endswith("/w/default/experiments/short-lived/")
    assert told[6] == []


def test_environments_are_registered_fetched_and_counted_up(notebook: Notebook) -> None:
    notebook.write("env.yml", "# mine\nname: x\ndependencies:\n  - python=3.11\n  - pip:\n    - joblib\n")
    told = notebook("""
made = Environment.from_conda_specification("counted", "env.yml")
made.environment_variables = {"MODE": "fast"}
first = made.register(ws).version
again = made.register(ws).version
made.python.conda_dependencies.add_pip_package("numpy")
second = made.register(ws).version
old = Environment.get(ws, "counted", version=1)
new = Environment.get(workspace=ws, name="counted")
other_case = Environment.get(ws, "COUNTED", 1).name
missing = []
for asked in ({"name": "nothing"}, {"name": "counted", "version": 9}):
    try:
        Environment.get(ws, **asked)
    except Exception as error:
        said, _, there = str(error).partition("; there are: ")
        missing.append("{}: {}".format(type(error).__name__, said))
        assert "counted" in there.split(", ")
result = [first, again, second, old.version, other_case, old.environment_variables, list(old.python.conda_dependencies.pip_packages),
          new.version, list(new.python.conda_dependencies.pip_packages), missing,
          Environment.list(ws)["counted"].version, old._reference(ws)]
""")
    assert told == [
        *["1", "1", "2", "1", "counted"],
        {"MODE": "fast"},
        ["joblib"],
        "2",
        ["joblib", "numpy"],
        [
            "UserErrorException: there is no environment nothing in the workspace",
            "UserErrorException: there is no environment counted with version 9 in the workspace",
        ],
        "2",
        ["counted", 1],
    ]


def test_an_environment_is_installed_on_request(notebook: Notebook) -> None:
    assert notebook("""
build = Environment.get(ws, "AzureML-Minimal").build(ws)
build.wait_for_completion(show_output=True)
result = build.status
""") in ("Succeeded", "Built", "Ready")


def test_a_python_of_ones_own_is_replaced_by_one_of_today_and_that_is_said(notebook: Notebook) -> None:
    notebook.write("code/train.py", "print('never')\n")
    told = notebook("""
env = Environment("user-managed-env")
env.python.user_managed_dependencies = True
run = Experiment(ws, "managed").submit(ScriptRunConfig("code", script="train.py", environment=env))
run.cancel()
result = run.get_environment().name
""")
    assert told == "sklearn-today"
    assert "PortalWarning: user_managed_dependencies: the portal does not run in your own Python" in notebook.printed


def test_a_compute_target_is_made_described_changed_and_removed(notebook: Notebook) -> None:
    notebook.write("code/train.py", "print('on the cluster')\n")
    told = notebook("""
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
name = "cpu-cluster"
try:
    target = ComputeTarget(workspace=ws, name=name)
except ComputeTargetException as error:
    missing = str(error)
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
    target = ComputeTarget.create(ws, name, config)
    target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
found = ComputeTarget(workspace=ws, name=name)
status = found.get_status()
config = ScriptRunConfig("code", script="train.py", compute_target=found, environment=Environment.get(ws, "AzureML-Minimal"))
run = Experiment(ws, "cluster").submit(config)
details = run.wait_for_completion()
found.update(max_nodes=2)
result = [missing, type(found) is AmlCompute, found.type, found.provisioning_state, status.current_node_count,
          status.serialize()["scaleSettings"]["maxNodeCount"], status.allocation_state, sorted(ws.compute_targets),
          details["status"], details["target"], found.scale_settings.maximum_node_count]
found.delete()
result += [sorted(ws.compute_targets), Run.get(ws, run.id).get_details()["target"]]
""")
    assert told == [
        "ComputeTargetNotFound: Compute Target with name cpu-cluster not found in provided workspace",
        True,
        "AmlCompute",
        "Succeeded",
        4,
        4,
        "Steady",
        ["cpu-cluster", "local"],
        "Completed",
        "cpu-cluster",
        2,
        ["local"],
        "cpu-cluster",
    ]
    assert (
        "Succeeded\nAmlCompute wait for completion finished\n\nMinimum number of nodes requested have been provisioned\n"
        in notebook.printed
    )


def test_kinds_of_compute_that_are_not_there_say_what_is(notebook: Notebook) -> None:
    told = notebook("""
from azureml.core.compute import AksCompute, ComputeTarget, RemoteCompute
result = []
for ask in (
    lambda: AksCompute.provisioning_configuration(),
    lambda: RemoteCompute.attach_configuration(address="host"),
    lambda: ComputeTarget.attach(ws, "x", None),
    lambda: ComputeTarget.create(ws, "x", None),
):
    try:
        ask()
    except AttributeError as error:
        result.append("is not supported here" in str(error) or "provisioning_configuration" in str(error))
""")
    assert told == [True] * 4


@pytest.mark.parametrize("minor", ["3.6", "3.8", "3.11", "3.13"])
def test_the_sdk_is_imported_within_60_milliseconds(minor: str, offline_environment: dict[str, str]) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"Python {minor} is not installed")
    program = "import time; t = time.perf_counter(); import azureml.core; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([python, "-c", program], env=offline_environment, capture_output=True, check=True).stdout)
        for _ in range(10)
    ]
    assert min(times) <= 0.060


def test_a_reader_may_look_and_a_stranger_may_not(notebook: Notebook, portal: Portal) -> None:
    """The portal's own no comes through as what it is."""
    notebook.write("code/train.py", "print(1)\n")
    printed = portal.manage(
        "shell",
        "-c",
        "from mlportal.access.models import *; from mlportal.access.roles import Role\n"
        "from mlportal.access.services import create_token\n"
        "reader, stranger = map(User.objects.create_user, ('sdk-reader', 'sdk-stranger'))\n"
        "Membership.objects.create(user=reader, workspace=Workspace.objects.get(name='default'), role=Role.READER)\n"
        "print(*(create_token(person, 'sdk')[1] for person in (reader, stranger)))",
    )
    tokens = printed.strip().splitlines()[-1].split()
    assert notebook(
        """
try:
    Experiment(ws, "x").submit(ScriptRunConfig("code", script="train.py", environment=Environment.get(ws, "AzureML-Minimal")))
except Exception as error:
    result = [type(error).__name__, "AzureML-Minimal" in ws.environments]
""",
        MLPORTAL_TOKEN=tokens[0],
    ) == ["NotAllowed", True]
    with pytest.raises(AssertionError, match="has no workspace 'default', or you are no member of it"):
        notebook("", MLPORTAL_TOKEN=tokens[1])
