"""A portal in a folder of its own, started and stopped by the program that shows it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

from mlportal.demo.client import Refused, send

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS, STOP_SECONDS = 120, 60


class DidNotStart(Exception):
    """The portal ended, or was not ready in time; the text is the end of its log."""


class OwnPortal:
    """`manage.py portal` on a free port of this machine. Its home is removed at the end unless `keep`."""

    def __init__(self, *, keep: bool = False) -> None:
        self.keep = keep
        self.home = Path(tempfile.mkdtemp(prefix="mlportal-demo-"))
        self.log = self.home / "portal.log"
        self.password = secrets.token_urlsafe(12)
        self.bind = f"127.0.0.1:{_free_port()}"
        self.url = f"http://{self.bind}"
        self.variables = {
            **{name: value for name, value in os.environ.items() if _is_passed_on(name)},
            "MLPORTAL_HOME": str(self.home),
            "MLPORTAL_BIND": self.bind,
            "MLPORTAL_ADMIN_PASSWORD": self.password,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OwnPortal:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def token(self) -> str:
        """A new token of the administrator, as `manage.py token admin` prints it."""
        done = subprocess.run(
            [sys.executable, "manage.py", "token", "admin"],
            cwd=ROOT,
            env=self.variables,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip().splitlines()[-1]

    @property
    def pid(self) -> int:
        assert self._process is not None, "the portal was not started"
        return self._process.pid

    def start(self) -> None:
        """Returns when it is ready. Raises DidNotStart."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "portal"], cwd=ROOT, env=self.variables, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(self.log.read_text(errors="replace")[-4000:])
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with send(Request(f"{self.url}/readyz")):
                return True
        except (URLError, OSError, Refused):
            return False

    def stop(self) -> None:
        """As Ctrl-C does; what runs is ended by the portal itself."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def close(self) -> None:
        self.stop()
        if not self.keep:
            shutil.rmtree(self.home, ignore_errors=True)


def _is_passed_on(name: str) -> bool:
    """What the caller's own portal is configured with is none of this one's business; what the machine has is."""
    if name in ("MLPORTAL_PYTHONS", "MLPORTAL_PACKAGE_INDEXES"):
        return True
    return not name.startswith("MLPORTAL_") and name not in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
