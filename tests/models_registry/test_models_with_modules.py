"""A model whose class is defined in a module beside the training script is served with that module."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path

import pytest

from experiments.services.snapshots import take_files
from mlportal.access.models import User, Workspace
from models_registry import services
from models_registry.serving.materials import modules_of
from models_registry.serving.supervisor import Supervisor
from tests.models_registry.conftest import Register, joblib_bytes, wait_for_status
from tests.models_registry.test_supervisor import ask

MODULE = b"""
class Twice:
    n_features_in_ = 1
    def predict(self, x):
        return 2 * x[:, 0]
"""


@pytest.fixture
def twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    (tmp_path / "shop_models.py").write_bytes(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    content = joblib_bytes(importlib.import_module("shop_models").Twice())
    monkeypatch.delitem(sys.modules, "shop_models")
    return content


def test_it_is_found_in_the_code_of_the_run(
    supervisor: Supervisor, register: Register, twice: bytes, workspace: Workspace, contributor: User
) -> None:
    version = register(twice, name="twice")
    files = [("src/train.py", io.BytesIO(b"import shop_models\n")), ("src/shop_models.py", io.BytesIO(MODULE))]
    assert version.run
    version.run.script = "src/train.py"
    version.run.save(update_fields=["script"])
    version.snapshot = take_files(workspace, files, by=contributor).snapshot
    version.save(update_fields=["snapshot"])
    deployment = wait_for_status(services.deploy(version, by=contributor), "Healthy", "Failed")
    assert deployment.status == "Healthy", deployment.failure + deployment.log
    assert ask(deployment, {"data": [[1.5], [4]]}) == (200, [3.0, 8.0])


def test_a_model_that_names_no_module_of_the_run_gets_none(
    register: Register, iris_model: bytes, workspace: Workspace, contributor: User
) -> None:
    version = register(iris_model)
    version.snapshot = take_files(workspace, [("helpers.py", io.BytesIO(b""))], by=contributor).snapshot
    version.inspection = {"imports": [["sklearn.svm._classes", "SVC", "known"]]}
    assert modules_of(version) == ({}, [])
    version.inspection = {"imports": [["helpers", "Scaler", "unknown"]]}
    assert list(modules_of(version)[0]) == ["helpers.py"]
