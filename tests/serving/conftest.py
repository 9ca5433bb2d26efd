"""Real models, real model worker processes, and the gateway behind a real uvicorn."""

from __future__ import annotations

import hmac
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import joblib
import pytest
import uvicorn
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from mlportal.http_limits import LimitedProtocol
from models_registry.serving.gateway import Gateway, Limits, RequestRecord, Route, Target
from models_registry.serving.replica import Limits as ReplicaLimits
from models_registry.serving.replica import Replica, State

KEY = "k3y-of-the-service"
IRIS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


def authorize(header: str | None) -> bool:
    return hmac.compare_digest((header or "").encode(), f"Bearer {KEY}".encode())


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return value


def wait_for(replica: Replica, state: State, seconds: float = 60) -> Replica:
    try:
        until(lambda: replica.poll() in (state, State.EXITED), seconds)
        assert replica.poll() is state
    except AssertionError as error:
        raise AssertionError(f"{replica.exit}\n{replica.tail_log()}") from error
    return replica


@dataclass
class Memory:
    """Routes and records in memory: what a portal keeps in its database."""

    routes: dict[str, Route] = field(default_factory=dict)
    records: list[RequestRecord] = field(default_factory=list)
    measured: list[tuple[str, int, int]] = field(default_factory=list)  # (service, status, rows) of each request
    samples: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    batches: list[tuple[str, int, int]] = field(default_factory=list)  # (service, requests, rows) of each call

    def lookup(self, name: str) -> Route | None:
        return self.routes.get(name)

    def record(self, record: RequestRecord) -> None:
        self.records.append(record)

    def measure(self, route: Route, target: Target, status: int, seconds: float, rows: int, waiting: int) -> None:
        self.measured.append((route.name, status, rows))

    def measure_batch(self, route: Route, target: Target, requests: int, rows: int, seconds: float) -> None:
        self.batches.append((route.name, requests, rows))

    def sample(self, route: Route, target: Target, request: str, method: str, payload: Any, result: Any) -> None:
        self.samples.append((request, method, payload, result))

    def publish(self, name: str, *replicas: Replica, **changes: Any) -> None:
        describe: Mapping[str, Any] = next((replica.describe for replica in replicas if replica.describe), {})
        of_target = {
            key: changes.pop(key)
            for key in ("describe", "has_script", "replicas", "revision", "version")
            if key in changes
        }
        target = Target("r1", "1", [replica.socket_path for replica in replicas], describe)
        route = Route(f"d-{name}", name, [replace(target, **of_target)], authorize)
        self.routes[name] = replace(route, **changes)


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    """Deeper than the 107 bytes that the kernel takes for the path of a socket, as a home folder may be."""
    top = Path(tempfile.mkdtemp(prefix="serving-"))
    path = top / ("deep-" * 15) / ("down-" * 15)
    path.mkdir(parents=True)
    yield path
    shutil.rmtree(top)


@pytest.fixture(scope="package")
def launch(folder: Path) -> Iterator[Callable[..., Replica]]:
    """Starts a replica of a model file; ends all of them at the end."""
    replicas: list[Replica] = []

    def start(model: Path, python: Path = Path(sys.executable), **limits: Any) -> Replica:
        number = len(replicas)
        replica = Replica(
            python,
            model,
            folder / f"{number}.socket",
            folder / f"{number}.log",
            {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": str(folder)},
            ReplicaLimits(**limits),
        )
        replica.start()
        replicas.append(replica)
        return replica

    yield start
    for replica in replicas:
        replica.stop(0)
    until(lambda: all(replica.poll() is State.EXITED for replica in replicas))


@pytest.fixture(scope="package")
def iris_model(folder: Path) -> Path:
    x, y = load_iris(return_X_y=True)
    path = folder / "iris.joblib"
    joblib.dump(SVC(kernel="linear", C=1.0).fit(x, y), path)
    return path


@pytest.fixture(scope="package")
def iris(launch: Callable[..., Replica], iris_model: Path) -> Replica:
    return wait_for(launch(iris_model), State.READY)


class FromSource:
    """Pickles to whatever the source makes: a model of our own without a package in the worker's environment."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (self.source,)


# Sleeps for as many seconds as the first number of a request says; at -1 it ends its process.
MOODY = """
type("Moody", (), {"n_features_in_": 1, "predict": lambda self, x: [
    __import__("os").kill(__import__("os").getpid(), 9) if x[0][0] == -1 else __import__("time").sleep(x[0][0]),
    x[:, 0].astype(float),
][1]})()
""".replace("\n", " ").strip()


@pytest.fixture(scope="package")
def moody_model(folder: Path) -> Path:
    path = folder / "moody.pkl"
    path.write_bytes(pickle.dumps(FromSource(MOODY)))
    return path


@pytest.fixture(scope="package")
def memory() -> Memory:
    return Memory()


@pytest.fixture(scope="package")
def gateway(memory: Memory) -> Gateway:
    limits = Limits(body_bytes=1 << 20, body_seconds=1, deadline_seconds=4, replica_seconds=2, rows=5000, waiting=8)
    return Gateway(memory, memory, limits)


@pytest.fixture(scope="package")
def address(gateway: Gateway) -> Iterator[str]:
    """The address of the gateway, served by uvicorn as in the portal."""
    config = uvicorn.Config(
        gateway, port=0, http=LimitedProtocol, loop="uvloop", log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=address, headers=headers, timeout=20, verify=False) as client:  # reads no certificates
        yield client


@pytest.fixture
def service(memory: Memory, iris: Replica) -> Iterator[str]:
    """The name of a published iris service."""
    memory.publish("iris", iris)
    memory.records.clear()
    yield "iris"
    memory.routes.clear()


@pytest.fixture(scope="package")
def python36(folder: Path) -> Path:
    """The Python of an environment as the article's: 3.6 with scikit-learn of 2020, and pandas."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin") or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not there")
    found = subprocess.run([uv, "python", "find", "--no-python-downloads", "3.6"], capture_output=True, text=True)
    path = found.stdout.strip() or next((str(p) for p in Path.home().glob(".pyenv/versions/3.6.*/bin/python")), "")
    if not path:
        pytest.skip("there is no Python 3.6 on this machine")
    target = folder / "py36"
    subprocess.run([uv, "venv", "-q", "--python", path, target], check=True)
    python = target / "bin" / "python"
    packages = ["scikit-learn==0.23.1", "numpy==1.19.1", "pandas==1.1.5"]
    built = subprocess.run([uv, "pip", "install", "-q", "--python", python, "--only-binary", ":all:", *packages])
    if built.returncode:
        pytest.fail("the packages of that age cannot be had here")
    return python
