"""A run's files become versions of models."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from experiments.models import Run
from experiments.status import RunStatus
from mlportal.access.models import AuditEvent, User
from mlportal.errors import BadInput, Conflict, NotAllowed
from models_registry import services
from models_registry.models import ModelVersion, RegisteredModel
from tests.models_registry.conftest import MakeRun, Register


def test_a_version_knows_where_it_comes_from(make_run: MakeRun, contributor: User) -> None:
    run = make_run({"outputs/model.joblib": b"bytes", "outputs/plot.png": b"picture"})
    version = services.register_model(
        run, name="iris", path="./outputs/model.joblib", tags={"stage": 1}, memory_gb=0.5, by=contributor
    )
    assert (version.version, version.run, version.environment_version) == (1, run, run.environment_version)
    assert [(file.path, file.blob_id) for file in version.files.all()] == [
        ("model.joblib", run.artifacts.get(path="outputs/model.joblib").blob_id)
    ]
    assert version.size == 5
    assert version.tags == {"stage": "1"}
    assert AuditEvent.objects.filter(action="model.register", actor=contributor, subject="iris:1").exists()


def test_the_framework_version_is_that_of_the_lock(register: Register) -> None:
    import sklearn

    assert register(b"bytes").framework_version == sklearn.__version__
    assert register(b"bytes", framework_version="0.1").framework_version == "0.1"
    assert register(b"bytes", framework="Custom").framework_version == ""


def test_a_folder_is_registered_with_all_that_is_in_it(make_run: MakeRun, contributor: User) -> None:
    run = make_run(
        {"outputs/m/model.pkl": b"1", "outputs/m/a/b.txt": b"22", "outputs/M/other": b"3", "outputs/m2": b"4"}
    )
    version = services.register_model(run, name="iris", path="outputs/m/", by=contributor)
    assert sorted(file.path for file in version.files.all()) == ["m/a/b.txt", "m/model.pkl"]
    main = services.main_file(version)
    assert main is not None and main.path == "m/model.pkl"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"path": "outputs/absent"}, "path"),
        ({"path": "../secret"}, "path"),
        ({"path": "outputs/MODEL.joblib"}, "path"),
        ({"name": ".."}, "name"),
        ({"name": "ü" * 130}, "name"),
        ({"name": "a/b"}, "name"),
        ({"framework": "Cobol"}, "framework"),
        ({"cpu": 0}, "cpu"),
        ({"memory_gb": float("nan")}, "memory_gb"),
        ({"tags": {"": "x"}}, "tags"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    make_run: MakeRun, contributor: User, changes: dict[str, object], field: str
) -> None:
    run = make_run({"outputs/model.joblib": b"bytes"})
    wish = {"name": "iris", "path": "outputs/model.joblib", **changes}
    with pytest.raises(BadInput) as refusal:
        services.register_model(run, **wish, by=contributor)  # type: ignore[arg-type]
    assert refusal.value.details["field"] == field
    assert not RegisteredModel.objects.exists()


def test_a_running_run_has_only_what_it_uploaded(make_run: MakeRun, contributor: User) -> None:
    run = make_run({"uploaded.joblib": b"bytes"}, RunStatus.RUNNING)
    with pytest.raises(Conflict, match="stored when it ends"):
        services.register_model(run, name="iris", path="outputs/model.joblib", by=contributor)
    assert services.register_model(run, name="iris", path="uploaded.joblib", by=contributor).version == 1


def test_readers_and_strangers_register_nothing(make_run: MakeRun, reader: User, stranger: User) -> None:
    run = make_run({"outputs/model.joblib": b"bytes"})
    for person in (reader, stranger):
        with pytest.raises(NotAllowed):
            services.register_model(run, name="iris", path="outputs/model.joblib", by=person)
    assert not ModelVersion.objects.exists()


def test_a_number_is_not_given_again(register: Register, contributor: User) -> None:
    services.delete_version(register(b"1"), by=contributor)
    assert register(b"2").version == 2


def test_what_is_deployed_is_not_deleted(iris_version: ModelVersion, contributor: User) -> None:
    services.deploy(iris_version, name="flowers", by=contributor)
    with pytest.raises(Conflict, match="flowers"):
        services.delete_version(iris_version, by=contributor)
    with pytest.raises(Conflict, match="flowers"):
        services.delete_model(iris_version.model, by=contributor)
    assert ModelVersion.objects.filter(pk=iris_version.pk).exists()


def test_a_model_outlives_its_run(iris_version: ModelVersion, iris_model: bytes) -> None:
    Run.objects.all().delete()
    iris_version.refresh_from_db()
    assert iris_version.run is None
    _, stream = services.open_file(iris_version, "model.joblib")
    with stream:
        assert stream.read() == iris_model


@pytest.mark.django_db(transaction=True)
def test_thirty_registrations_at_once_count_up_by_one(make_run: MakeRun, contributor: User) -> None:
    run = make_run({"outputs/model.joblib": b"bytes"})
    gate = threading.Barrier(30)
    failures: list[BaseException] = []

    def register() -> None:
        try:
            gate.wait()
            services.register_model(run, name="iris", path="outputs/model.joblib", by=contributor)
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=register) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(ModelVersion.objects.values_list("version", flat=True)) == list(range(1, 31))
    assert RegisteredModel.objects.get().last_version == 30
