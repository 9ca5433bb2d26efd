"""Real servers for a test: in a temporary folder, on a free loopback port, as a user who may run them, ended by their pid."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from tests.machine import find_server
from tests.portal import free_port, wait_until


class Server:
    """One server program. `stop()` and `start()` again keep its folder and its port."""

    def __init__(self, program: str, user: str) -> None:
        found = find_server(program)
        if found is None:
            pytest.skip(f"{program} is not installed")
        self.program = found
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{user}-for-tests-"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and none of them needs it
            account = pwd.getpwnam(user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._as_user = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *command: str | Path) -> None:
        """A command of the server's user, to its end."""
        subprocess.run([*self._as_user, *command], check=True, capture_output=True, cwd=self.folder)

    def spawn(self, *command: str | Path, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                [*self._as_user, *command],
                cwd=self.folder,
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "HOME": str(self.folder),
                    "LANG": "C",
                    **(variables or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        end(self._process)
        self._process = None

    @property
    def answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "output.log").read_text(errors="replace")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def end(process: subprocess.Popen[bytes] | None, number: int = signal.SIGTERM) -> None:
    """End a process that leads its own group, with what it has started."""
    if process is None:
        return
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)


def own(folder: Path, *, like: Path) -> None:
    wanted = like.stat()
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, wanted.st_uid, wanted.st_gid)


class PostgreSQL(Server):
    """`copied`: the data of another one, which has been stopped; else there is nothing in it."""

    def __init__(self, copied: Path | None = None) -> None:
        super().__init__("postgres", "postgres")
        data = self.folder / "data"
        if copied is not None:
            shutil.copytree(copied, data)
            own(data, like=self.folder)
            return
        initdb = self.program.with_name("initdb")
        self.run(initdb, "--pgdata", data, "--auth=trust", "--username=portal", "--encoding=UTF8", "--no-sync")

    def start(self) -> None:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = self.spawn(self.program, "-D", self.folder / "data", "-p", str(self.port), *settings)
        wait_until(lambda: self.answers and self._accepts, what="PostgreSQL")

    def stop(self) -> None:
        end(self._process, signal.SIGINT)  # "fast": it ends the connections and itself
        self._process = None

    def new_database(self, name: str, like: str = "template1") -> str:
        """Its address."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
        return self._address(name)

    def _address(self, name: str) -> str:
        return f"postgresql://portal@127.0.0.1:{self.port}/{name}"

    @property
    def _accepts(self) -> bool:
        try:
            psycopg.connect(self._address("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


class Redis(Server):
    def __init__(self) -> None:
        super().__init__("redis-server", "redis")

    def start(self) -> None:
        self._process = self.spawn(self.program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "")
        wait_until(lambda: self.answers, what="Redis")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class RabbitMQ(Server):
    """With the daemon that Erlang finds its nodes by, which would outlive it otherwise."""

    def __init__(self) -> None:
        super().__init__("rabbitmq-server", "rabbitmq")
        self._names: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        name_port = str(free_port())
        epmd = shutil.which("epmd")
        assert epmd is not None
        self._names = self.spawn(epmd, "-address", "127.0.0.1", "-port", name_port)
        wrapped = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's wrapper in the PATH insists on su
        variables = {
            "ERL_EPMD_PORT": name_port,
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env"),
        }
        program = wrapped if wrapped.exists() else self.program
        self._process = self.spawn(program, variables=variables)
        wait_until(lambda: self.answers, seconds=90, what="RabbitMQ")

    def stop(self) -> None:
        super().stop()
        end(self._names)
        self._names = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"


@contextlib.contextmanager
def running(server: Server) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
