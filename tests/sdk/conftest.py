"""The SDK is tried as scripts use it: in processes of its own, on every interpreter of these minors that there is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.portal import Portal

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "sdk"))  # it is never installed; some tests import it into their own process
MINORS = ("3.6", "3.8", "3.11", "3.13")


def candidates(minor: str) -> Iterator[str]:
    for name in (f"python{minor}", "python3"):
        if found := shutil.which(name):
            yield found
    root = os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"
    yield from map(str, sorted(Path(root, "versions").glob(f"{minor}.*/bin/python"), reverse=True))


@lru_cache
def interpreter(minor: str) -> str | None:
    """The real executable: a launcher that picks a version by the folder it is called in would pick another one."""
    question = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
    for candidate in candidates(minor):
        answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False)
        lines = answer.stdout.splitlines()
        if answer.returncode == 0 and lines[0] == minor:
            return lines[1]
    return None


@pytest.fixture(params=MINORS)
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter of each minor."""
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"Python {request.param} is not installed")
    return found


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A whole portal for all tests of the folder, at the other end of HTTP."""
    with Portal(tmp_path_factory.mktemp("sdk") / "home") as portal:
        yield portal


@pytest.fixture
def notebook(portal: Portal, tmp_path: Path, offline_environment: dict[str, str]) -> Notebook:
    """Runs code on a laptop: the oldest Python there is, the SDK, a config.json and a token; no file of the portal.

    Returns what it leaves in `result`, by way of JSON; `printed` has all that it wrote.
    """
    address = f"{portal.url}/api/v1/workspaces/default/config.json"
    answer = httpx.get(address, headers={"Authorization": f"Bearer {portal.token}"})
    folder = tmp_path / "laptop"
    folder.mkdir()
    (folder / "config.json").write_text(answer.raise_for_status().text)
    return Notebook(folder, {**offline_environment, "MLPORTAL_TOKEN": portal.token})


class Notebook:
    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.printed = ""

    def __call__(self, code: str, *, python: str = "", **variables: str) -> Any:
        head = (
            "import json, os, time\nresult = None\n"
            "from azureml.core import ComputeTarget, Environment, Experiment, Model, Run, RunConfiguration\n"
            "from azureml.core import ScriptRunConfig, Webservice, Workspace\nws = Workspace.from_config()\n"
        )
        (self.folder / "notebook.py").write_text(f"{head}{code}\nprint('RESULT', json.dumps(result))\n")
        done = subprocess.run(
            [python or interpreter("3.6") or sys.executable, "notebook.py"],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        self.printed = done.stdout
        assert done.returncode == 0, done.stdout
        told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        return json.loads(told[-1].partition(" ")[2])

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    """A run directory as the worker lays it out."""
    directory = tmp_path / "run"
    for name in ("work/outputs", "work/logs", "uploads", "logs"):
        (directory / name).mkdir(parents=True)
    return directory


@pytest.fixture
def offline_environment(tmp_path: Path) -> dict[str, str]:
    """What a script sees outside of the portal: the SDK on its path and nothing of a run."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY / "sdk"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "HOME": str(tmp_path),
    }


@pytest.fixture
def run_environment(run_directory: Path, offline_environment: dict[str, str]) -> dict[str, str]:
    """What a script sees in a run."""
    return {
        **offline_environment,
        "AZUREML_RUN_ID": "train_1",
        "AZUREML_EXPERIMENT_NAME": "train-sklearn",
        "AZUREML_ARM_WORKSPACE_NAME": "default",
        "AZUREML_ARM_SUBSCRIPTION": "00000000-0000-0000-0000-000000000000",
        "AZUREML_ARM_RESOURCEGROUP": "mlportal",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:8000",
        "MLFLOW_EXPERIMENT_ID": "7",
        "MLPORTAL_RUN_DIR": str(run_directory),
    }


@pytest.fixture
def script(python: str, run_directory: Path, run_environment: dict[str, str]) -> Callable[[str], Any]:
    """Runs code with `run` in it, on each interpreter; returns what it leaves in `result`, by way of JSON."""

    def execute(code: str) -> Any:
        program = f"import json\nfrom azureml.core import Run\nrun = Run.get_context()\nresult = None\n{code}\n"
        done = subprocess.run(
            [python, "-c", program + "print(json.dumps(result))"],
            cwd=run_directory / "work",
            env=run_environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return execute


@pytest.fixture
def records(run_directory: Path) -> Callable[[], list[dict[str, Any]]]:
    """Every line of metrics.jsonl, without its time, which must be there."""

    def read() -> list[dict[str, Any]]:
        lines = (run_directory / "metrics.jsonl").read_bytes().decode("utf-8").split("\n")
        assert lines.pop() == ""
        found = [json.loads(line, parse_constant=pytest.fail) for line in lines]
        assert all(isinstance(record.pop("t"), float) for record in found)
        return found

    return read
