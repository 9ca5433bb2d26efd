"""A real portal in a folder of its own: every process, a free port, and a client. For the tests that try the whole."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.shared import UV_CACHE, empty_database

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct-horse-battery-staple"
START_SECONDS = 120.0  # the first one compresses the static files, perhaps on a busy machine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(true: Callable[[], Any], *, seconds: float = 60.0, what: str = "") -> Any:
    """The first truthy answer; AssertionError when it does not come in time.

    The longer it takes the less often it is asked for: most questions keep a portal from its work.
    """
    began = time.monotonic()
    while not (answer := true()):
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds} s: {what or true}"
        time.sleep(min(0.2, 0.05 + waited / 20))
    return answer


class Portal:
    """`manage.py portal` with a home, a port and an administrator. Use as a context manager.

    `shared_cache`: packages come from uv's own cache of this machine, so that only the first test ever downloads them.
    """

    def __init__(self, home: Path, variables: Mapping[str, str] | None = None, *, shared_cache: bool = True) -> None:
        self.home = home
        home.mkdir(mode=0o700, exist_ok=True)
        if shared_cache and not (home / "uv-cache").exists():
            UV_CACHE.mkdir(parents=True, exist_ok=True)
            (home / "uv-cache").symlink_to(UV_CACHE)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = home.with_suffix(".log")
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MLPORTAL_", "DJANGO_"))},
            "MLPORTAL_HOME": str(home),
            "MLPORTAL_BIND": f"127.0.0.1:{self.port}",
            "MLPORTAL_ADMIN_PASSWORD": PASSWORD,
            "MLPORTAL_LEASE": "3s",
            **(variables or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._token = ""

    def __enter__(self) -> Portal:
        self.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.stop()

    def start(self, *arguments: str) -> None:
        if "DATABASE_URL" not in self.variables and not (self.home / "portal.sqlite3").exists():
            shutil.copyfile(empty_database(), self.home / "portal.sqlite3")
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "portal", *arguments],
                cwd=ROOT,
                env=self.variables,
                stdout=log,
                stderr=log,
            )
        wait_until(self._is_ready, seconds=START_SECONDS, what=f"portal ready, see {self.log_path}")

    def stop(self) -> None:
        """Ctrl-C, and the proof that nothing of it is left."""
        if self.process is None:
            return
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        self.process = None
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, f"left behind: {alive}"

    def processes(self) -> list[psutil.Process]:
        """Everything on this machine that has to do with this portal's home: its own processes, runners, scripts."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                traces = [*process.cmdline(), *process.environ().values()]
                if process.status() != psutil.STATUS_ZOMBIE and any(str(self.home) in trace for trace in traces):
                    found.append(process)
        return found

    def child(self, name: str) -> psutil.Process:
        """The process of the portal that is called so: web, worker, beat, serving."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, OSError):  # it may just have ended
                if Path(f"/proc/{child.pid}/comm").read_text().strip() == f"mlp:{name}":
                    return child
        raise AssertionError(f"the portal has no process {name}")

    def kill(self, name: str) -> None:
        """kill -9, and wait until the supervisor has started another one."""
        old = self.child(name)
        old.kill()
        wait_until(lambda: self._replaced(name, old.pid), what=f"another {name}")

    def suspend(self, name: str) -> psutil.Process:
        """SIGSTOP, between two transactions: one that sleeps inside would keep SQLite's only writer's lock meanwhile."""
        process = self.child(name)

        def at_rest() -> bool:
            process.suspend()
            with contextlib.closing(sqlite3.connect(self.home / "portal.sqlite3", timeout=0.2)) as database:
                try:
                    database.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    process.resume()
                    return False
            return True

        wait_until(at_rest, what=f"{name} is between two transactions")
        return process

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.variables,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    @property
    def token(self) -> str:
        """The administrator's."""
        if not self._token:
            self._token = self.new_token()
        return self._token

    def new_token(self) -> str:
        """As the Tokens page makes one: another process with `manage.py token` would need as long as a start of the portal."""
        with httpx.Client(base_url=self.url, timeout=60, headers={"Referer": self.url}, verify=False) as http:
            http.get("/login/")
            asked = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": http.cookies["csrftoken"]}
            assert http.post("/login/", data=asked).status_code == 302
            headers = {"X-CSRFToken": http.cookies["csrftoken"]}
            made = http.post("/api/v1/tokens/", json={"name": "tests"}, headers=headers)
            assert made.status_code == 201, made.text
            secret: str = made.json()["token"]
            return secret

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=False) as http:
            yield Client(http)

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the portal ended: {self.log}"
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)  # httpx would read all certificates first
        try:
            asked.request("GET", "/readyz")
            return asked.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asked.close()

    def _replaced(self, name: str, old: int) -> bool:
        try:
            return self.child(name).pid != old
        except AssertionError:
            return False


class Client:
    """The JSON API in the words of the tests; `http` is there for everything else."""

    def __init__(self, http: httpx.Client, workspace: str = "default") -> None:
        self.http = http
        self.base = f"/api/v1/workspaces/{workspace}"

    def get(self, path: str, **parameters: Any) -> Any:
        return self._answer(self.http.get(f"{self.base}/{path}", params=parameters))

    def post(self, path: str, body: Any = None) -> Any:
        return self._answer(self.http.post(f"{self.base}/{path}", json=body if body is not None else {}))

    def upload(self, folder: Path) -> Any:
        """A folder becomes a snapshot."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        parts = [("files", (path.name, path.read_bytes())) for path in files]
        names = [str(path.relative_to(folder)) for path in files]
        return self._answer(self.http.post(f"{self.base}/snapshots/", files=parts, data={"paths": names}))

    def environment(self, name: str, definition: str, *, as_of: str | None = None) -> Any:
        return self.post("environments/", {"name": name, "definition": definition, "as_of": as_of})

    def submit(
        self,
        folder: Path,
        script: str,
        definition: str,
        *,
        arguments: list[str] | None = None,
        as_of: str | None = None,
        **more: Any,
    ) -> str:
        """The uid of a new run."""
        snapshot = self.upload(folder)
        environment = self.environment(more.pop("environment_name", folder.name), definition, as_of=as_of)
        body = {
            "experiment": more.pop("experiment", folder.name),
            "snapshot": snapshot["uid"],
            "environment": {"name": environment["name"], "version": environment["version"]},
            "script": script,
            "arguments": arguments or [],
            **more,
        }
        uid: str = self.post("runs/", body)["id"]
        return uid

    def run(self, uid: str) -> Any:
        return self.get(f"runs/{uid}/")

    def wait(self, uid: str, *statuses: str, seconds: float = 180.0) -> Any:
        """The run, once it has one of the statuses (without any: once it is final)."""
        wanted = statuses or ("Completed", "Failed", "Canceled")
        return wait_until(
            lambda: run if (run := self.run(uid))["status"] in wanted else None,
            seconds=seconds,
            what=f"run {uid} {wanted}",
        )

    def log(self, uid: str, name: str = "user_logs/std_log.txt") -> str:
        text, offset = "", 0
        while True:
            answer = self.http.get(f"{self.base}/runs/{uid}/logs/content/", params={"name": name, "offset": offset})
            answer.raise_for_status()
            text += answer.text
            if int(answer.headers["X-Next-Offset"]) == offset:
                return text
            offset = int(answer.headers["X-Next-Offset"])

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        assert response.is_success, f"{response.status_code} {response.request.url}: {response.text[:2000]}"
        return response.json() if response.content else None
