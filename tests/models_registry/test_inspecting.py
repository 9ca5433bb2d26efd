"""What versions import is listed by a worker, and nothing is run meanwhile."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from mlportal.access.models import User
from models_registry import services, tasks
from models_registry.models import ModelVersion
from models_registry.services import inspecting
from tests.models_registry.conftest import MakeRun, Register
from tests.portal import wait_until


class Touches:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def inspected(version: ModelVersion) -> dict[str, Any]:
    inspecting.inspect_version(version)
    version.refresh_from_db()
    assert version.inspection is not None
    return dict(version.inspection)


def test_a_model_of_scikit_learn_is_known(iris_version: ModelVersion) -> None:
    found = inspected(iris_version)
    assert (found["verdict"], found["format"]) == ("known", "joblib")
    assert ["sklearn.svm._classes", "SVC", "known"] in found["imports"]


def test_what_would_run_is_listed_and_not_run(register: Register, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    found = inspected(register(pickle.dumps(Touches(canary))))
    assert found["verdict"] == "dangerous"
    assert not canary.exists()


def test_what_is_no_model_could_not_be_read(register: Register) -> None:
    assert inspected(register(b"not a model"))["verdict"] == "unreadable"


def test_the_worst_file_of_a_folder_speaks(make_run: MakeRun, contributor: User, iris_model: bytes) -> None:
    run = make_run({"m/model.joblib": iris_model, "m/extra.pkl": pickle.dumps(Touches(Path("x"))), "m/README": b"hi"})
    version = services.register_model(run, name="iris", path="m", by=contributor)
    found = inspected(version)
    assert found["verdict"] == "dangerous" and found["message"].startswith("m/extra.pkl")
    assert ["sklearn.svm._classes", "SVC", "known"] in found["imports"]


def test_a_version_that_is_gone_is_no_error(iris_version: ModelVersion, contributor: User) -> None:
    number = iris_version.pk
    services.delete_version(iris_version, by=contributor)
    tasks.inspect_by_number(number)


@pytest.mark.django_db(transaction=True)
def test_a_worker_looks_into_it_aside(iris_version: ModelVersion) -> None:
    """Celery's own threads are for what is short; a hostile file may take the whole limit."""

    def seen() -> bool:
        iris_version.refresh_from_db()
        return iris_version.inspection is not None

    tasks.inspect(iris_version.pk)
    wait_until(seen, what="the version is inspected")


def test_a_training_sample_beside_the_model_is_taken(make_run: MakeRun, contributor: User) -> None:
    sample = b"width,target\n1.5,yes\n2.5,no\n"
    run = make_run(
        {"outputs/model.joblib": b"bytes", "outputs/training_sample.csv": sample, "training_sample.csv": b"x"}
    )
    version = services.register_model(run, name="iris", path="outputs/model.joblib", by=contributor)
    assert "sample" not in inspected(version)
    found = services.sample_of(version)
    assert found is not None
    assert (found.rows, found.target, found.source) == (2, "target", "outputs/training_sample.csv")
    assert version.example == {"columns": ["width", "target"], "row": [1.5, "yes"], "target": "target"}


def test_a_training_sample_in_the_folder_of_the_model_is_taken(make_run: MakeRun, contributor: User) -> None:
    run = make_run({"outputs/m/model.pkl": b"bytes", "outputs/m/training_sample.csv": b"a,b\n1,2\n"})
    version = services.register_model(run, name="iris", path="outputs/m", by=contributor)
    inspected(version)
    assert services.read_sample(version)["a"].tolist() == [1]


def test_a_sample_that_cannot_be_read_is_told(make_run: MakeRun, contributor: User) -> None:
    run = make_run({"outputs/model.joblib": b"bytes", "outputs/training_sample.csv": b"a,a\n1,2\n"})
    version = services.register_model(run, name="iris", path="outputs/model.joblib", by=contributor)
    assert "Two columns are called 'a'" in inspected(version)["sample"]
    assert services.sample_of(version) is None
