"""Runs with real files, a real environment and a real supervisor."""

from __future__ import annotations

import importlib.metadata
import io
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import pytest
import uv
import uvicorn
from django.db import connections
from packaging.requirements import Requirement
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from experiments import environments as conda
from experiments.models import Artifact, Environment, EnvironmentVersion, Experiment, Run
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_token
from mlportal.blobs import services as blobs
from models_registry import services
from models_registry.models import Deployment, ModelVersion
from models_registry.serving.asgi import gateway_application
from models_registry.serving.replica import Backoff
from models_registry.serving.supervisor import Supervisor
from tests.api.conftest import Caller
from tests.shared import UV_CACHE, once

# A model that ends its process as soon as it is loaded.
DEADLY = b"cos\n_exit\n(I7\ntR."


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return value


@pytest.fixture(autouse=True)
def home(settings: Any) -> Iterator[Path]:
    """A folder of this test alone, deeper than the 107 bytes that the kernel takes for the path of a socket."""
    top = Path(tempfile.mkdtemp(prefix="registry-"))
    folder = top / ("deep-" * 20)
    folder.mkdir()
    settings.SERVING_DIR = folder / "serving"
    yield folder
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def environment_version(workspace: Workspace) -> EnvironmentVersion:
    """Resolved to what this interpreter has; built on this machine only where a test asks for `built`."""
    environment = Environment.objects.create(workspace=workspace, name="sklearn", last_version=1)
    lock = lock_of_this_python()
    return EnvironmentVersion.objects.create(
        environment=environment,
        version=1,
        definition="dependencies: [scikit-learn]",
        digest="0" * 64,
        lock=lock.as_dict(),
        lock_key=lock.key,
        python_version=lock.python_version,
    )


def lock_of_this_python() -> conda.Lock:
    base = this_interpreter()
    pins = sorted(f"{name}=={importlib.metadata.version(name)}\n" for name in needed("scikit-learn"))
    return conda.Lock(
        "".join(pins),
        tuple((pin.split("==")[0], pin.split("==")[1].strip()) for pin in pins),
        str(base.version),
        base.platform,
    )


def needed(package: str) -> set[str]:
    """The package and all that it needs."""
    requirements = map(Requirement, importlib.metadata.requires(package) or [])
    names = {each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})}
    return {package}.union(*map(needed, names))


def this_interpreter() -> conda.Interpreter:
    """The Python behind this virtual environment."""
    here = ".".join(map(str, sys.version_info[:3]))
    return next(each for each in conda.discover([Path(sys.base_prefix, "bin")]) if str(each.version) == here)


@pytest.fixture(scope="session")
def environments_folder() -> Path:
    """One real environment with the scikit-learn that the tests train with, for all processes of the suite."""

    def build(folder: Path) -> None:
        conda.build(
            lock_of_this_python(),
            this_interpreter(),
            folder,
            log=lambda line: None,
            cancelled=lambda: False,
            uv=Path(uv.find_uv_bin()),
            cache_dir=UV_CACHE,
            timeout=240,
        )

    return once("e", build)


@pytest.fixture
def built(settings: Any, environments_folder: Path, environment_version: EnvironmentVersion) -> EnvironmentVersion:
    settings.ENVIRONMENTS_DIR = environments_folder
    return environment_version


def joblib_bytes(model: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(model, stream)
    return stream.getvalue()


@pytest.fixture(scope="session")
def iris_model() -> bytes:
    x, y = load_iris(return_X_y=True)
    return joblib_bytes(SVC(kernel="linear", C=1.0).fit(x, y))


@pytest.fixture(scope="session")
def shifted_iris_model() -> bytes:
    """Answers 10, 11 and 12 where the iris model answers 0, 1 and 2."""
    x, y = load_iris(return_X_y=True)
    return joblib_bytes(SVC(kernel="linear", C=1.0).fit(x, y + 10))


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(workspace: Workspace, contributor: User, environment_version: EnvironmentVersion) -> MakeRun:
    experiment = Experiment.objects.create(workspace=workspace, name="iris")

    def make(files: Mapping[str, bytes], status: RunStatus = RunStatus.COMPLETED) -> Run:
        run = Run.objects.create(
            workspace=workspace,
            experiment=experiment,
            number=Run.objects.count() + 1,
            status=status,
            script="train.py",
            environment_version=environment_version,
            created_by=contributor,
        )
        for path, content in files.items():
            blob = blobs.put(io.BytesIO(content))
            Artifact.objects.create(run=run, path=path, blob=blob, size=blob.size)
        return run

    return make


Register = Callable[..., ModelVersion]


@pytest.fixture
def register(make_run: MakeRun, contributor: User) -> Register:
    """A version of the model `name` out of a run of its own."""

    def make(content: bytes, name: str = "iris", **more: Any) -> ModelVersion:
        run = make_run({"outputs/model.joblib": content})
        return services.register_model(run, name=name, path="outputs/model.joblib", by=contributor, **more)

    return make


@pytest.fixture
def iris_version(register: Register, iris_model: bytes) -> ModelVersion:
    return register(iris_model)


@pytest.fixture
def callers(owner: User, contributor: User, reader: User, stranger: User) -> dict[str, Caller]:
    people = {"owner": owner, "contributor": contributor, "reader": reader, "stranger": stranger}
    return {role: Caller(create_token(person, "test")[1]) for role, person in people.items()}


@contextmanager
def gateway() -> Iterator[str]:
    """The address of the portal's gateway, served by uvicorn as in the portal."""
    config = uvicorn.Config(gateway_application, port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def supervising(**options: Any) -> Iterator[Supervisor]:
    """A supervisor in a thread, which owns its model workers."""
    stop = threading.Event()
    supervisor = Supervisor(**options)

    def run() -> None:
        try:
            supervisor.run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield supervisor
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def supervisor(transactional_db: None, built: EnvironmentVersion) -> Iterator[Supervisor]:
    with supervising(new_backoff=lambda: Backoff(first=0.1, give_up_after=3)) as it:
        yield it


def pid_of(deployment: Deployment) -> int:
    """The process of its replica; 0 while it has none."""
    answering = deployment.live_revision or deployment.revision
    return deployment.replicas.filter(revision=answering).values_list("pid", flat=True).first() or 0


def wait_for_status(deployment: Deployment, *statuses: str, seconds: float = 60) -> Deployment:
    def reached() -> bool:
        deployment.refresh_from_db()
        return deployment.status in statuses

    try:
        until(reached, seconds)
    except AssertionError as error:
        raise AssertionError(f"{deployment.status}: {deployment.failure}\n{deployment.log}") from error
    return deployment
