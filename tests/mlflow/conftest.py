"""MLflow's API of a real portal: spoken by hand, and by real clients in environments of their own."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.portal import Portal, free_port, wait_until
from tests.shared import ENVIRONMENTS

CLIENTS = {"newest": "mlflow-skinny", "2.x": "mlflow-skinny==2.22.5"}
SERVER = "mlflow"  # with all that its server needs: 600 MB, most of them in uv's cache already
# What mlflow.sklearn and a store in a SQLite file need, and the small client does not bring; 2.x knows no SQLAlchemy 2.1.
WITH = ("scikit-learn", "pandas", "skops", "sqlalchemy<2.1", "alembic")
MAKE_PEOPLE = """
from mlportal.access.models import User, Workspace
from mlportal.access import services
admin = User.objects.get(username="admin")
for name in ("lab", "other"):
    services.create_workspace(name, by=admin)
lab = Workspace.objects.get(name="lab")
for name, role in (("carl", "contributor"), ("rita", "reader"), ("sam", "")):
    person = User.objects.create_user(name, password="correct-horse-battery-" + name)
    if role:
        services.set_member(lab, name, role, by=admin)
    print(name, services.create_token(person, "test")[1])
    print(name + "-short", services.create_token(person, "short")[1])
"""


class Mlflow:
    """The API with one key, in one workspace."""

    def __init__(self, url: str, token: str | None, workspace: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.base = f"{url}/w/{workspace}" if workspace else url
        self.http = httpx.Client(headers=headers, timeout=60, verify=False)

    def url(self, path: str) -> str:
        part = "" if path.startswith("mlflow-artifacts/") else "mlflow/"
        return f"{self.base}/api/2.0/{part}{path}"

    def ask(self, address: str, /, **query: Any) -> httpx.Response:
        return self.http.get(self.url(address), params=query)

    def send(self, address: str, /, **body: Any) -> httpx.Response:
        return self.http.post(self.url(address), json=body)

    def get(self, address: str, /, **query: Any) -> Any:
        return good(self.ask(address, **query))

    def post(self, address: str, /, **body: Any) -> Any:
        return good(self.send(address, **body))

    def experiment(self) -> str:
        """A new one."""
        made: str = self.post("experiments/create", name=f"trial {time.time_ns()}")["experiment_id"]
        return made

    def new_run(self, experiment_id: str = "0", **more: Any) -> str:
        made: str = self.post("runs/create", experiment_id=experiment_id, **more)["run"]["info"]["run_id"]
        return made

    def run(self, run_id: str) -> Any:
        return self.get("runs/get", run_id=run_id)["run"]

    def data(self, run_id: str, kind: str) -> dict[str, Any]:
        """The run's metrics, params or tags by their keys."""
        return {item["key"]: item["value"] for item in self.run(run_id)["data"].get(kind, [])}

    def history(self, run_id: str, key: str) -> list[tuple[int, int, Any]]:
        points = self.get("metrics/get-history", run_id=run_id, metric_key=key).get("metrics", [])
        return [(point["timestamp"], point["step"], point["value"]) for point in points]

    def put(self, path: str, data: bytes, **headers: str) -> httpx.Response:
        return self.http.put(self.url(f"mlflow-artifacts/artifacts/{path}"), content=data, headers=headers)


def good(response: httpx.Response) -> Any:
    assert response.status_code == 200, f"{response.status_code} {response.request.url}: {response.text[:1000]}"
    return response.json()


def refused(response: httpx.Response, code: str = "INVALID_PARAMETER_VALUE", status: int = 400) -> str:
    """The message of an error in MLflow's shape."""
    assert response.status_code == status, f"{response.status_code}: {response.text[:1000]}"
    error = response.json()
    assert error["error_code"] == code and error["message"], error
    return str(error["message"])


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with Portal(tmp_path_factory.mktemp("mlflow") / "home", {"MLPORTAL_UPLOAD_MAX_BYTES": "30000000"}) as portal:
        yield portal


@pytest.fixture(scope="package")
def tokens(portal: Portal) -> dict[str, str]:
    """Of carl, who contributes to `lab`, rita, who reads it, and sam, who is a stranger to it."""
    lines = portal.manage("shell", "-c", MAKE_PEOPLE).strip().splitlines()
    return dict(line.split() for line in lines if len(line.split()) == 2)


@pytest.fixture(scope="package")
def api(portal: Portal) -> Mlflow:
    """The administrator's."""
    return Mlflow(portal.url, portal.token)


@pytest.fixture(scope="package")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server of MLflow with its default store, a SQLite file. It takes ten seconds to start."""
    home = tmp_path_factory.mktemp("mlflow-server")
    folder = ENVIRONMENTS / f"mlflow-server-{sys.version_info.major}.{sys.version_info.minor}"
    python = _installed(folder, SERVER)
    port = free_port()
    command = [str(Path(python).with_name("mlflow")), "server", "--backend-store-uri", "sqlite:///mlflow.db"]
    command += ["--artifacts-destination", "./mlartifacts", "--serve-artifacts", "--workers", "1", "--port", str(port)]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=home, env={**os.environ, **quiet}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health", process), seconds=180, what="a server of MLflow")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


@pytest.fixture(scope="package")
def client_python() -> Callable[[str], str]:
    """The interpreter of an environment with a client, which is made once on a machine."""

    def python(which: str) -> str:
        folder = ENVIRONMENTS / f"mlflow-{which}-{sys.version_info.major}.{sys.version_info.minor}"
        return _installed(folder, CLIENTS[which], *WITH)

    return python


def _installed(folder: Path, *packages: str) -> str:
    uv = str(Path(sys.executable).with_name("uv"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of the suite ask for the same
        if not (folder / "bin" / "python").exists():
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--upgrade", "--python", str(folder / "bin" / "python")]
        subprocess.run([*install, *packages], check=True)
    return str(folder / "bin" / "python")


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server of MLflow ended"
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
