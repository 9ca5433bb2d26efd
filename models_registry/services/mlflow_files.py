"""The files that make an MLflow model of a version that was not registered by MLflow: `mlflow.pyfunc.load_model` reads it then.

They are written when somebody asks, and kept nowhere.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Final

from models_registry.models import ModelVersion
from models_registry.models.registry import Framework
from models_registry.services.files import main_file
from models_registry.services.mlmodel import MLMODEL

LOADER: Final = "mlportal_model"
# MLflow's own loader of scikit-learn opens pickles alone; what joblib wrote needs joblib.
LOADER_CODE: Final = b'''"""Opens the model that is beside this file's folder, for mlflow.pyfunc."""

import joblib


class Model:
    def __init__(self, estimator):
        self.estimator = estimator

    def get_raw_model(self):
        return self.estimator

    def predict(self, data, params=None):
        return self.estimator.predict(data)


def _load_pyfunc(path):
    return Model(joblib.load(path))
'''


def of(version: ModelVersion) -> dict[str, bytes]:
    """{path: bytes}; empty for a version that has an MLmodel, or no file that a scikit-learn model could be in."""
    if version.mlmodel is not None or version.framework != Framework.SCIKITLEARN:
        return {}
    file = main_file(version)
    if file is None or PurePosixPath(file.path).suffix in (".onnx", ".skops"):
        return {}
    folder = str(PurePosixPath(file.path).parent)
    requirements, python = _environment(version)
    written = {
        MLMODEL: _mlmodel(version, PurePosixPath(file.path).name, python),
        "requirements.txt": "".join(f"{line}\n" for line in requirements).encode(),
        "python_env.yaml": f"python: {python}\ndependencies:\n- -r requirements.txt\n".encode() if python else b"",
        "conda.yaml": _conda(requirements, python),
        f"code/{LOADER}.py": LOADER_CODE,
    }
    there = set(version.files.values_list("path", flat=True))
    placed = {path if folder == "." else f"{folder}/{path}": data for path, data in written.items() if data}
    return {path: data for path, data in placed.items() if path not in there}


def etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def root_of(version: ModelVersion) -> str:
    """The folder in which its MLmodel is; "" for the folder of all its files."""
    if version.mlmodel is not None:
        return str(version.mlmodel["folder"])
    file = main_file(version)
    folder = str(PurePosixPath(file.path).parent) if file else "."
    return "" if folder == "." else folder


def _environment(version: ModelVersion) -> tuple[list[str], str]:
    """What has to be installed, as pinned as it is known, and which Python."""
    environment = version.environment_version
    pinned = [line for line in environment.lock_text.splitlines() if "==" in line] if environment else []
    lines = [line.split(" ")[0] for line in pinned if not line.startswith(("#", " "))]
    if not lines and version.framework_version:
        lines = [f"scikit-learn=={version.framework_version}"]
    if not any(line.startswith("joblib") for line in lines):
        lines.append("joblib")
    return lines, environment.python_version if environment else ""


def _mlmodel(version: ModelVersion, file: str, python: str) -> bytes:
    """JSON is YAML, too."""
    pyfunc = {"loader_module": LOADER, "code": "code", "data": file}
    if python:
        pyfunc |= {"python_version": python}
    said = {
        "flavors": {"python_function": {**pyfunc, "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}}},
        "model_uuid": f"{version.pk:032x}",
        "utc_time_created": version.created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        **({"run_id": version.run.uid} if version.run else {}),
    }
    return json.dumps(said, indent=2).encode()


def _conda(requirements: list[str], python: str) -> bytes:
    lines = [*([f"- python={python}"] if python else []), "- pip", "- pip:", *(f"  - {line}" for line in requirements)]
    return "\n".join(["name: mlflow-env", "dependencies:", *lines, ""]).encode()
