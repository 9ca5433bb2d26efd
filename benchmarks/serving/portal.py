"""The portal's side: `manage.py portal` with its defaults, a model registered from a file and deployed by the JSON API.

It is called at its public address, with a key that is checked.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request

import psutil

from benchmarks.serving.environments import SAME, versions_of
from benchmarks.serving.load import Call
from benchmarks.serving.model import Model
from benchmarks.serving.processes import family
from benchmarks.serving.server import DidNotServe, Rows, Server, send
from mlportal.demo.client import Client
from mlportal.demo.client import send as http_send
from mlportal.demo.process import DidNotStart, OwnPortal

NAME = "iris"
BUILD_SECONDS, READY_SECONDS = 600, 60


class Ours(Server):
    name = "ours"
    _own: OwnPortal | None = None

    def start(self, model: Model, folder: Path) -> None:
        self.model = model
        try:
            self._own = own = OwnPortal().__enter__()
        except DidNotStart as error:
            raise DidNotServe(f"the portal did not start: {error}") from None
        self.port = int(own.bind.rpartition(":")[2])
        self.client = Client(own.url, own.token())
        environment = self._environment()
        for path in (model.path, model.other):  # versions 1 and 2
            self._register(path, environment)
        self.key = ""
        self.deploy(NAME, seconds=BUILD_SECONDS)
        self.key = self.key_of(NAME)

    def stop(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None

    def call(self, rows: Rows) -> Call:
        return self.call_of(NAME, self.key, rows)

    def call_of(self, service: str, key: str, rows: Rows) -> Call:
        headers = (("Content-Type", "application/json"), ("Authorization", f"Bearer {key}"))
        return Call(self.port, f"/services/{service}/score", json.dumps({"data": rows}).encode(), headers)

    def check(self) -> None:
        super().check()
        status, _ = send(self.call_of(NAME, "wrong", self.model.rows[:1]))
        if status != 401:
            raise DidNotServe(f"a wrong key was answered {status}")

    def parts(self) -> dict[str, list[psutil.Process]]:
        """Who listens at the address, the model worker, and all others of the portal."""
        assert self._own is not None
        replica = self.replica(NAME)
        parts: dict[str, list[psutil.Process]] = {"web": [], "worker": [], "rest": []}
        for process in family(self._own.pid):
            listens = any(
                each.status == psutil.CONN_LISTEN and each.laddr.port == self.port
                for each in process.net_connections("tcp")
            )
            answers = process.pid == replica or "serving/worker" in " ".join(process.cmdline())
            parts["worker" if answers else "web" if listens else "rest"].append(process)
        return parts

    def deploy(self, service: str, *, seconds: float = READY_SECONDS) -> float:
        """Seconds from the request that deploys to the first answer, which is right."""
        began = time.perf_counter()
        self.client.post("deployments/", {"model": NAME, "version": 1, "name": service})
        call = self.call_of(service, self.key_of(service), self.model.rows[:1])
        wanted = self.model.labels[:1]
        while True:
            try:
                status, body = send(call)
            except (OSError, http.client.HTTPException) as error:
                status, body = 0, repr(error).encode()
            passed = time.perf_counter() - began
            if status == 200 and json.loads(body) == wanted:
                return passed
            deployment = self.deployment(service)
            if passed > seconds or deployment["status"] == "Failed":
                raise DidNotServe(
                    f"{service} is {deployment['status']} after {passed:.0f} s, and answers {status}: {body[:500]!r};"
                    f" {deployment['failure']}"
                )
            time.sleep(0.02)

    def deployment(self, service: str) -> Any:
        return self.client.get(f"deployments/{service}/")

    def replica(self, service: str) -> int:
        """The process that answers."""
        return _pid(self._until(service, lambda found: _pid(found))) or 0

    def redeploy(self, service: str, version: int) -> None:
        """Returns when that version answers."""
        self.client.post(f"deployments/{service}/redeploy/", {"version": version})
        name = f"{NAME}:{version}"
        self._until(service, lambda found: found["status"] == "Healthy" and found["live_version"] == name)

    def await_other(self, service: str, pid: int) -> None:
        """Returns when another process answers in place of the one that ended."""
        self._until(
            service,
            lambda found: found["status"] == "Healthy" and _pid(found) not in (None, pid),
        )

    def delete(self, service: str) -> None:
        request = Request(f"{self.client.base}/deployments/{service}/", method="DELETE")
        request.add_header("Authorization", f"Bearer {self.client.token}")
        http_send(request).close()

    def _until(self, service: str, good: Any) -> Any:
        deadline = time.monotonic() + READY_SECONDS
        while not good(found := self.deployment(service)):
            if time.monotonic() > deadline:
                raise DidNotServe(f"{service} is still {found['status']}, {found['live_version']}, {found['replica']}")
            time.sleep(0.1)
        return found

    def key_of(self, service: str) -> str:
        key: str = self.client.get(f"deployments/{service}/keys/")["primary"]
        return key

    def _environment(self) -> dict[str, Any]:
        """The packages that made the model, which are those of all peers, too."""
        pins = "".join(f"    - {name}=={version}\n" for name, version in versions_of("bare", SAME).items())
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        definition = f"dependencies:\n- python={python}\n- pip:\n{pins}"
        made = self.client.post("environments/", {"name": "bench-serving", "definition": definition})
        return {"name": made["name"], "version": made["version"]}

    def _register(self, path: Path, environment: dict[str, Any]) -> None:
        """As `curl -F files=@model.joblib …/blobs/` does, then by the digest."""
        boundary, content = uuid.uuid4().hex, path.read_bytes()
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        request = Request(f"{self.client.base}/blobs/", data=body)
        request.add_header("Content-Type", f"multipart/form-data; boundary={boundary}")
        request.add_header("Authorization", f"Bearer {self.client.token}")
        http_send(request).close()
        entry = {"path": "model.joblib", "sha256": hashlib.sha256(content).hexdigest()}
        self.client.post("models/", {"name": NAME, "entries": [entry], "environment": environment})


def _pid(found: Mapping[str, Any]) -> int | None:
    """Of the newest replica that answers: those of a version before it may stand by."""
    return next((replica["pid"] for replica in reversed(found["replicas"]) if replica["state"] == "ready"), None)
