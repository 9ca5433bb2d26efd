"""The API as its callers see it: real tokens, real rows, a run as the portal makes it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from experiments import services
from experiments.models import Artifact, ComputeTarget, EnvironmentVersion, Run, RunToken, Snapshot
from experiments.services import compute, logs
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace, digest_of, new_secret
from mlportal.access.services import create_token
from mlportal.blobs import services as blobs
from tests.conftest import TINY


class Caller:
    """Calls the API with a token (or without one); JSON goes in and out."""

    def __init__(self, token: str | None, workspace: str = "lab") -> None:
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = Client(raise_request_exception=True)
        self.workspace = workspace

    def url(self, path: str) -> str:
        """Absolute paths stay; others are below the workspace."""
        return path if path.startswith("/") else f"/api/v1/workspaces/{self.workspace}/{path}"

    def get(self, path: str, query: Any = None, **headers: str) -> Any:
        return self.client.get(self.url(path), query, headers={**self.headers, **headers})

    def post(self, path: str, body: Any = None) -> Any:
        return self._send("post", path, body)

    def patch(self, path: str, body: Any = None) -> Any:
        return self._send("patch", path, body)

    def delete(self, path: str) -> Any:
        return self.client.delete(self.url(path), headers=self.headers)

    def upload(self, path: str, form: Mapping[str, Any]) -> Any:
        return self.client.post(self.url(path), form, headers=self.headers)

    def _send(self, method: str, path: str, body: Any) -> Any:
        send = getattr(self.client, method)
        return send(self.url(path), {} if body is None else body, "application/json", headers=self.headers)


Callers = dict[str, Caller]


def error_of(response: Any) -> dict[str, Any]:
    """The error of the one shape; the test fails when the answer has another."""
    body = response.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["message"]
    error: dict[str, Any] = body["error"]
    return error


def read_whole(response: Any) -> bytes:
    """The bytes of an answer that is streamed as ASGI streams."""

    async def collect() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    return async_to_sync(collect)()


@pytest.fixture
def callers(owner: User, contributor: User, reader: User, stranger: User) -> Callers:
    people = {"owner": owner, "contributor": contributor, "reader": reader, "stranger": stranger}
    found = {role: Caller(create_token(person, "test")[1]) for role, person in people.items()}
    return {**found, "nobody": Caller(None)}


@pytest.fixture
def target(db: None) -> ComputeTarget:
    return compute.ensure_local_target()


@pytest.fixture
def version(workspace: Workspace, owner: User) -> EnvironmentVersion:
    return services.add_version(workspace, "tiny", TINY, by=owner)


@pytest.fixture
def snapshot(workspace: Workspace, owner: User) -> Snapshot:
    files = {"train.py": b"print(1)\n", "data/notes.txt": b"hello\n"}
    return services.take_files(workspace, [(name, io.BytesIO(data)) for name, data in files.items()], by=owner).snapshot


@pytest.fixture
def submit(
    workspace: Workspace, owner: User, target: ComputeTarget, version: EnvironmentVersion, snapshot: Snapshot
) -> Callable[..., Run]:
    def submit(**more: Any) -> Run:
        asked = {"experiment": "trials", "script": "train.py", "by": owner, **more}
        return services.submit_run(workspace, snapshot=snapshot, environment_version=version, **asked)

    return submit


@pytest.fixture
def run(submit: Callable[..., Run]) -> Run:
    """Submitted, and not yet looked at by any worker."""
    return submit(tags={"team": "blue"})


@pytest.fixture
def running(run: Run) -> Run:
    """A worker has it; it has printed and logged something."""
    Run.objects.move(run, RunStatus.PREPARING)
    Run.objects.move(run, RunStatus.QUEUED)
    Run.objects.claim(run, worker="w", node="here", seconds=60)
    logs.append_log(run, logs.STDOUT, 0, "größer\n".encode())
    records = [{"t": float(t), "k": "scalar", "n": "loss", "v": 1.0 / (t + 1)} for t in range(20)]
    services.log_metrics(run, [*records, {"t": 1.0, "k": "text", "n": "kernel", "v": "linear"}], by=run.created_by)
    return run


@pytest.fixture
def run_token(running: Run) -> str:
    secret = new_secret(RunToken.PREFIX)
    RunToken.objects.create(run=running, digest=digest_of(secret))
    return secret


@pytest.fixture
def store(run: Run) -> Callable[[str, bytes], Artifact]:
    """An artifact of the run with these bytes."""

    def store(path: str, data: bytes) -> Artifact:
        blob = blobs.put(io.BytesIO(data))
        return Artifact.objects.create(run=run, path=path, blob=blob, size=blob.size)

    return store
