"""What the SDK of the portal lacks: imports pass, use says what to do instead, and `except` catches what it named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def run(python: str, code: str, environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        [python, "-c", code], env=environment, cwd=folder, stdout=-1, stderr=-2, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_classes_that_are_not_there_can_be_imported_and_say_what_to_use_instead(
    python: str, offline_environment: dict[str, str], tmp_path: Path
) -> None:
    code = """
from azureml.core import Workspace
from azureml.core.compute import AmlCompute, DsvmCompute
from azureml.core.compute.amlcompute import ScaleSettings
from azureml.core.databricks import PyPiLibrary
from azureml.core.environment import SparkPackage
from azureml.core.runconfig import DataReferenceConfiguration, RunConfiguration
from azureml.data.datapath import DataPath, DataPathComputeBinding
from azureml.exceptions import NotSupportedError
for use in (lambda: DataPathComputeBinding("mount"), DataReferenceConfiguration, SparkPackage, PyPiLibrary,
            lambda: DsvmCompute.provisioning_configuration(vm_size="x"), ScaleSettings):
    try:
        print("USED", use())
    except NotSupportedError as error:
        print(error)
DataPath()
try:
    from azureml.core.run import Nonsense
except ImportError:
    print("no such class")
"""
    said = run(python, code, offline_environment, tmp_path).splitlines()
    assert len(said) == 7 and not any(line.startswith("USED") for line in said)
    assert said[0].startswith("azureml.data.datapath.DataPathComputeBinding is not supported here: give the run a data")
    assert (
        "azureml.core.compute.DsvmCompute.provisioning_configuration is not supported here: use AmlCompute" in said[4]
    )
    assert said[6] == "no such class"


def test_modules_that_are_elsewhere_or_nowhere_can_be_imported(
    python: str, offline_environment: dict[str, str], tmp_path: Path
) -> None:
    code = """
import azureml.core.profile, azureml.core.linked_service, azureml.data.datacache
from azureml.core.compute import AksCompute
from azureml.core.compute.aks import AksCompute as Same
from azureml.core.webservice.aci import AciWebservice, ContainerResourceRequirements
from azureml.exceptions import ParallelRunException
print(AksCompute is Same)
for use in (ContainerResourceRequirements, azureml.core.profile.ModelProfile):
    try:
        use()
    except Exception as error:
        print(error)
"""
    same, service, profile = run(python, code, offline_environment, tmp_path).splitlines()
    assert same == "True"
    assert "ContainerResourceRequirements is not supported here: AciWebservice.deploy_configuration" in service
    assert "azureml.core.profile.ModelProfile is not supported here: send the service requests" in profile


def test_every_error_of_the_client_is_caught_by_azures_name(
    python: str, offline_environment: dict[str, str], tmp_path: Path
) -> None:
    code = """
import pickle
from azureml.core import Workspace
from azureml.exceptions import AzureMLException, ServiceException, SnapshotException, TrainingException
from azureml.exceptions import RunConfigurationException, UserErrorException, WorkspaceException
from mlportal_sdk.errors import Conflict, Unreachable
assert issubclass(TrainingException, AzureMLException) and not issubclass(UserErrorException, TrainingException)
assert pickle.loads(pickle.dumps(Conflict("taken"))).message == UserErrorException("taken").message == "taken"
try:
    Workspace("", "", "default", _portal_url="http://127.0.0.1:9")
except (TrainingException, WorkspaceException):
    raise
except AzureMLException as error:
    print(type(error).__name__)
"""
    environment = {**offline_environment, "MLPORTAL_TOKEN": "mlp_x"}
    assert run(python, code, environment, tmp_path) == "Unreachable\n"


@pytest.mark.parametrize(
    ("command", "sign"),
    [
        ("'python train.py && ls'", "&"),
        ("'python train.py > log.txt'", ">"),
        ("'python train.py --home $HOME'", "$"),
        ("'python train.py --home \"$HOME\"'", "$"),
        ("['python', 'train.py', '|', 'tee', 'x']", "|"),
        ("'python train.py \\'a;b\\' --c \"d & e\" \\\\$5 $AZUREML_DATAREFERENCE_in1'", ""),
        ("['python', 'train.py', '--name', 'plain text']", ""),
    ],
)
def test_a_command_that_needs_a_shell_is_refused(
    python: str, offline_environment: dict[str, str], tmp_path: Path, command: str, sign: str
) -> None:
    (tmp_path / "train.py").write_text("")
    code = f"""
from azureml.core import ScriptRunConfig
try:
    print(ScriptRunConfig(".", command={command})._script_and_words()[0])
except AttributeError as error:
    print(error)
"""
    said = run(python, code, offline_environment, tmp_path)
    assert said.startswith(f"'{sign}' in the command" if sign else "train.py\n")
