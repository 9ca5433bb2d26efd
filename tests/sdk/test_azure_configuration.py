"""What a notebook sets up before it asks the portal anything: conda files, environments, script configurations."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from azureml.core import _conda_file
from azureml.core.conda_dependencies import CondaDependencies
from azureml.exceptions import UserErrorException
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.conftest import REPOSITORY

Notebook = Callable[[str], Any]
FILES = sorted([*REPOSITORY.glob("examples/*/*.yml"), *REPOSITORY.glob("experiments/environments/curated/*.yml")])


@pytest.fixture
def notebook(python: str, tmp_path: Path, offline_environment: dict[str, str]) -> Notebook:
    """Runs code in an empty folder, on each interpreter; returns what it leaves in `result`. Warnings are errors."""

    def execute(code: str) -> Any:
        program = f"import json\nresult = None\n{code}\nprint(json.dumps(result))"
        done = subprocess.run(
            [python, "-W", "error::UserWarning", "-c", program],
            cwd=tmp_path,
            env=offline_environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return execute


def test_conda_dependencies_are_made_changed_and_written(notebook: Notebook, tmp_path: Path) -> None:
    result = notebook("""
from azureml.core.conda_dependencies import CondaDependencies
made = CondaDependencies.create(conda_packages=["scikit-learn", "numpy=1.19"], pip_packages=["pandas>=1,<2"],
                                python_version="3.6.2", pin_sdk_version=False)
made.add_pip_package("pandas==1.1.5")
made.add_conda_package("conda-forge::numpy=1.18")
made.add_channel("pytorch")
made.remove_channel("anaconda")
name = made.save_to_file(".", "conf/my.yml")
result = [name, list(made.conda_packages), list(made.pip_packages), list(made.conda_channels), made.python_version,
          open("conf/my.yml").read() == made.serialize_to_string()]
""")
    assert result == [
        "conf/my.yml",
        ["scikit-learn", "conda-forge::numpy=1.18"],
        ["azureml-defaults", "pandas==1.1.5"],
        ["conda-forge", "pytorch"],
        "3.6.2",
        True,
    ]
    assert yaml.safe_load((tmp_path / "conf" / "my.yml").read_text()) == {
        "name": "project_environment",
        "dependencies": [
            "python=3.6.2",
            "scikit-learn",
            "conda-forge::numpy=1.18",
            {"pip": ["azureml-defaults", "pandas==1.1.5"]},
        ],
        "channels": ["conda-forge", "pytorch"],
    }


def test_the_defaults_are_azures() -> None:
    assert CondaDependencies.create().as_dict() == {
        "name": "project_environment",
        "dependencies": ["python=3.10.18", {"pip": ["azureml-defaults"]}],
        "channels": ["anaconda", "conda-forge"],
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_conda_file_stays_as_it_is_written_until_it_is_changed(path: Path) -> None:
    dependencies = CondaDependencies(str(path))
    assert dependencies.serialize_to_string() == path.read_text()
    assert dependencies.as_dict() == yaml.safe_load(path.read_text())
    dependencies.add_pip_package("wheel")
    changed = yaml.safe_load(dependencies.serialize_to_string())
    assert "wheel" in changed["dependencies"][-1]["pip"]
    assert changed["dependencies"][:-1] == yaml.safe_load(path.read_text())["dependencies"][:-1]


@pytest.mark.parametrize(
    "text",
    [
        "dependencies:\n- python=3.6\n- pip:\n  - a\n  - b==1\nname: x\n",
        "# head\nname: 'it''s'  # why\nchannels: [conda-forge, \"a b\"]\ndependencies:\n\n  -   numpy # no\n",
        "dependencies:\n  - pip:\n      - --extra-index-url https://host/simple\n      - \"x[extra]>=1; python_version < '3.8'\"\n",
        "name: x\ndependencies:\n  -\n    numpy\nprefix: /opt/conda\n",
        "{}",
        "name:\ndependencies: []\n",
    ],
)
def test_reading_agrees_with_yaml(text: str) -> None:
    assert _conda_file.read(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: x\ndependencies: &a\n  - b\n", 2),
        ("name: >\n  folded\n", 1),
        ("dependencies:\n  - a\n - b\n", 3),
        ("dependencies:\n\t- a\n", 2),
        ("name: x\njust text\n", 2),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(text: str, line: int) -> None:
    with pytest.raises(UserErrorException, match=f"^line {line} of the conda file "):
        _conda_file.read(text)


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(lambda text: text == text.strip()))
def test_every_line_of_text_is_written_so_that_yaml_reads_it_back(line: str) -> None:
    written = _conda_file.write_text(line)
    assert yaml.safe_load(f"dependencies:\n  - {written}\n") == {"dependencies": [line]}
    assert yaml.safe_load(f"name: {written}\n") == {"name": line}


def test_a_file_that_nobody_changes_is_left_for_the_portal_to_judge(notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "env.yml").write_text("dependencies: &all\n  - numpy\n")
    assert notebook("""
from azureml.core import Environment
from azureml.exceptions import UserErrorException
made = Environment.from_conda_specification("mine", "env.yml")
text = made.python.conda_dependencies.serialize_to_string()
try:
    made.python.conda_dependencies.add_pip_package("x")
except UserErrorException as error:
    result = [text, str(error)]
""") == ["dependencies: &all\n  - numpy\n", "line 1 of the conda file begins with '&', which is not read here"]


def test_environments_are_made_copied_saved_and_loaded(notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# packages\nscikit-learn==1.5  # pinned\n-r more.txt\n")
    (tmp_path / "more.txt").write_text("pandas \\\n  >=2\n\n")
    assert notebook("""
from azureml.core import Environment
from azureml.core.environment import Environment as Same
from azureml.exceptions import AzureMLException
made = Environment.from_pip_requirements("pip", "requirements.txt")
made.environment_variables = {"MODE": "fast"}
other = made.clone("other")
other.python.conda_dependencies.add_pip_package("joblib")
made.save_to_directory("kept")
loaded = Environment.load_from_directory("kept")
try:
    made.save_to_directory("kept")
except AzureMLException as error:
    again = str(error)
result = [Same is Environment, made.name, made.version, list(made.python.conda_dependencies.pip_packages), other.name,
          "joblib" in list(other.python.conda_dependencies.pip_packages), loaded.name, loaded.environment_variables,
          list(loaded.python.conda_dependencies.pip_packages), again]
""") == [
        True,
        "pip",
        None,
        ["azureml-defaults", "scikit-learn==1.5", "pandas >=2"],
        "other",
        True,
        "pip",
        {"MODE": "fast"},
        ["azureml-defaults", "scikit-learn==1.5", "pandas >=2"],
        "kept is there already; overwrite=True replaces what is in it",
    ]


def test_images_and_conda_installations_are_a_clear_error(notebook: Notebook) -> None:
    errors = notebook("""
from azureml.core import Environment
result = []
for make in (
    lambda: Environment.from_existing_conda_environment("mine", "base"),
    lambda: Environment.from_dockerfile("mine", "FROM x"),
    lambda: Environment.from_docker_image("mine", "image"),
):
    try:
        make()
    except AttributeError as error:
        result.append(str(error))
""")
    assert len(errors) == 3
    assert "conda env export --from-history -n base" in errors[0]
    assert all("Environment.from_conda_specification" in error for error in errors)


def test_a_script_run_config_becomes_a_submission(notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "code" / "src").mkdir(parents=True)
    (tmp_path / "code" / "src" / "train.py").write_text("")
    assert notebook("""
from azureml.core import Environment, RunConfiguration, ScriptRunConfig
from azureml.core.runconfig import DockerConfiguration
from azureml.core.environment import Reference

env = Environment("mine")
env.environment_variables = {"A": 1, "B": 2}
env._registered, env._definition = Reference("mine", 3), env._text()

class Data:
    def _as_run_input(self, workspace, name):
        return {"name": name or "iris", "dataset": "uid", "mode": "mount"}

config = ScriptRunConfig("code", script="src/train.py", arguments=["--rate", 0.1, "--data", Data()], environment=env,
                         max_run_duration_seconds=60, docker_runtime_config=DockerConfiguration(use_docker=True))
config.run_config.environment_variables["B"] = "3"
config.run_config.data = {"more": Data()}
by_command = ScriptRunConfig("code", command="python src/train.py --rate '0 1'", run_config=RunConfiguration())
by_command.run_config.environment = env
result = [config._submission(None), by_command._submission(None)]
""") == [
        {
            "environment": {"name": "mine", "version": 3},
            "script": "src/train.py",
            "arguments": ["--rate", "0.1", "--data", "DatasetConsumptionConfig:iris"],
            "target": "local",
            "environment_variables": {"A": "1", "B": "3"},
            "wall_seconds": 60,
            "inputs": [
                {"name": "iris", "dataset": "uid", "mode": "mount"},
                {"name": "more", "dataset": "uid", "mode": "mount"},
            ],
        },
        {
            "environment": {"name": "mine", "version": 3},
            "script": "src/train.py",
            "arguments": ["--rate", "0 1"],
            "target": "local",
            "environment_variables": {"A": "1", "B": "2"},
        },
    ]


def test_what_would_run_as_something_else_is_refused_before_anything_is_sent(
    notebook: Notebook, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text("")
    errors = notebook("""
from azureml.core import Environment, Experiment, RunConfiguration, ScriptRunConfig
from azureml.core.runconfig import MpiConfiguration
result = []
spark = RunConfiguration(framework="PySpark")
mpi = ScriptRunConfig(".", script="train.py", distributed_job_config=MpiConfiguration(node_count=2))
for make in (
    lambda: ScriptRunConfig(".", script="trian.py")._submission(None),
    lambda: ScriptRunConfig(".", script="train.py", run_config=spark)._submission(None),
    lambda: mpi._submission(None),
    lambda: ScriptRunConfig(".", command="bash run.sh")._submission(None),
    lambda: ScriptRunConfig(".", script="train.py", run_config=spark, environment=Environment("x")),
):
    try:
        make()
    except Exception as error:
        result.append("{}: {}".format(type(error).__name__, error))
""")
    assert [error.partition(":")[0] for error in errors] == [
        "UserErrorException",
        "NotSupportedError",
        "NotSupportedError",
        "NotSupportedError",
        "UserErrorException",
    ]
    assert "there is no trian.py in the source directory" in errors[0]
    assert "'PySpark'" in errors[1]
    assert "bash run.sh" in errors[3]


def test_packages_that_are_not_there_import_and_say_so_when_they_are_used(notebook: Notebook) -> None:
    errors = notebook("""
import azureml.train.automl.runtime
from azureml.train.automl import AutoMLConfig
from azureml.train.hyperdrive import HyperDriveConfig, PrimaryMetricGoal, choice
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep
from azureml.interpret import ExplanationClient
from azureml.train.estimator import Estimator
from azureml.train import hyperdrive
from azureml.core.image import ContainerImage
from azureml.core import Keyvault
import azureml.mlflow
result = []
for use in (
    lambda: AutoMLConfig(task="classification"),
    lambda: PrimaryMetricGoal.MAXIMIZE,
    lambda: choice(1, 2),
    lambda: hyperdrive.uniform(0, 1),
    lambda: Pipeline(workspace=None, steps=[]),
    lambda: PythonScriptStep(),
    lambda: ExplanationClient.from_run(None),
    lambda: Estimator(),
    lambda: ContainerImage.image_configuration(),
    lambda: Keyvault(),
):
    try:
        use()
    except AttributeError as error:
        result.append(str(error))
try:
    import azureml.nothing
except ImportError as error:
    result.append(str(error))
""")
    assert len(errors) == 11
    assert errors[0].startswith("azureml.train.automl.AutoMLConfig is not supported here: train with scikit-learn")
    assert errors[1].startswith("azureml.train.hyperdrive.PrimaryMetricGoal.MAXIMIZE is not supported here: ")
    assert errors[3].startswith("azureml.train.hyperdrive.uniform is not supported here: ")
    assert errors[6].startswith("azureml.interpret.ExplanationClient.from_run is not supported here: ")
    assert errors[10] == "No module named 'azureml.nothing'"


def test_where_azures_classes_are_the_portals_are_too(notebook: Notebook) -> None:
    assert notebook("""
from azureml.core import (ComputeTarget, ContainerRegistry, Environment, Experiment, Model, Run, RunConfiguration,
                          ScriptRunConfig, ScriptRun, Webservice, Workspace, get_run, VERSION)
from azureml.core.authentication import InteractiveLoginAuthentication, ServicePrincipalAuthentication
from azureml.core.compute import AmlCompute, ComputeInstance, RemoteCompute
from azureml.core.compute_target import ComputeTarget as Same, ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.container_registry import ContainerRegistry as Registry
from azureml.core.model import InferenceConfig, Model as SameModel
from azureml.core.resource_configuration import ResourceConfiguration
from azureml.core.runconfig import DEFAULT_CPU_IMAGE, DockerConfiguration, MpiConfiguration, PyTorchConfiguration
from azureml.core.script_run_config import ScriptRunConfig as SameConfig
from azureml.core.webservice import AciWebservice, AksWebservice, LocalWebservice, Webservice as SameService
from azureml.core.webservice.aci import AciWebservice as SameAci
from azureml.exceptions import ComputeTargetException as SameException, WebserviceException, UserErrorException
from azureml.telemetry import set_diagnostics_collection
from azureml.widgets import RunDetails
result = [Same is ComputeTarget, SameModel is Model, SameConfig is ScriptRunConfig, SameService is Webservice,
          SameAci is AciWebservice, SameException is ComputeTargetException, ScriptRun is Run,
          issubclass(AciWebservice, Webservice), Model.Framework.SCIKITLEARN, ResourceConfiguration(1, 0.5).memory_in_gb]
""") == [*[True] * 8, "ScikitLearn", 0.5]


def test_settings_that_only_azure_has_are_said_once_where_they_are_given(
    python: str, tmp_path: Path, offline_environment: dict[str, str]
) -> None:
    (tmp_path / "notebook.py").write_text("""\
from azureml.core.compute import AmlCompute
from azureml.core.webservice import AciWebservice, LocalWebservice
AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
AciWebservice.deploy_configuration(cpu_cores=1, memory_gb=1, tags={"a": "b"}, location="westeurope", ssl_enabled=True)
LocalWebservice.deploy_configuration(port=6789)
AciWebservice.deploy_configuration(cpu_cores=1, memory_gb=1, auth_enabled=True)
""")
    command = [python, "notebook.py"]
    done = subprocess.run(command, cwd=tmp_path, env=offline_environment, capture_output=True, text=True, check=True)
    warnings = [line.split(" PortalWarning: ") for line in done.stderr.splitlines() if "PortalWarning" in line]
    assert [Path(where).name for where, _ in warnings] == ["notebook.py:3:", "notebook.py:4:", "notebook.py:5:"]
    assert [text for _, text in warnings] == [
        "vm_size STANDARD_D2_V2: not used; the target runs on the portal's machines, 4 at a time (max_nodes)",
        "location, ssl_enabled: not used; the portal serves at its own address",
        "port=6789: not used; the portal serves at its own address: see scoring_uri",
    ]
