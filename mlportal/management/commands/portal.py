"""`manage.py portal`: everything on one machine, in the foreground."""

import fcntl
import os
import secrets
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from experiments.models import Run
from experiments.services import install_curated
from experiments.services.compute import ensure_local_target
from experiments.status import RUN_OWNED
from mlportal import entrypoints
from mlportal.access import services as access
from mlportal.access.models import User, Workspace
from mlportal.env import text
from mlportal.errors import PortalError
from mlportal.node import node_name
from mlportal.processes import Process, harden, supervise
from mlportal.static_files import collect_static_files

LOCK_SECONDS = 10.0  # the children of a portal that was killed need some seconds to end


class Command(BaseCommand):
    help = "Start the whole portal on this machine: web, gateway, worker, beat and serving. Ctrl-C stops it."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--leave-runs",
            action="store_true",
            help="At the end, leave running scripts alone; the next start follows them.",
        )
        parser.add_argument(
            "--targets",
            nargs="+",
            help="Take runs of these compute targets on this machine; without it of all there are",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        harden()
        lock = self._lock_home()
        self._check_address()
        started = time.monotonic()
        call_command("migrate", verbosity=0)
        collect_static_files()
        ensure_local_target()
        password = self._first_administrator()
        for workspace in Workspace.objects.all():
            install_curated(workspace)
        # The children are forked: no connection may be shared with them.
        connections.close_all()
        self._greet(password, time.monotonic() - started)
        # A worker that ends first can still store what its runs gave; web goes first, so that nobody asks for more.
        supervise(
            [
                Process("beat", entrypoints.beat),
                Process("worker", partial(entrypoints.worker, options["targets"]), patience=20),
                Process("serving", entrypoints.serving, patience=15),
                Process("web", entrypoints.web),
            ]
        )
        self._end_runs(leave=options["leave_runs"])
        lock.close()

    def _lock_home(self) -> IO[str]:
        """One portal a home: two would fight over its runs and deployments. The lock ends with the process and its children."""
        lock = (settings.HOME / "portal.lock").open("a+")
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.seek(0)
                    raise CommandError(
                        f"A portal (pid {lock.read().strip() or 'unknown'}) runs on {settings.HOME} already. "
                        "Stop it, or set MLPORTAL_HOME to another folder."
                    ) from None
                time.sleep(0.1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    def _check_address(self) -> None:
        host, _, port = settings.BIND.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]"), int(port)))
            except OSError as error:
                raise CommandError(
                    f"The portal cannot listen on {settings.BIND}: {error.strerror}. Set MLPORTAL_BIND to another address."
                ) from None

    def _first_administrator(self) -> str | None:
        """The generated password, the one time that it is made."""
        if User.objects.exists():
            return None
        given = text("MLPORTAL_ADMIN_PASSWORD")
        password = given or secrets.token_urlsafe(15)
        try:
            access.create_administrator("admin", password)
        except PortalError as error:
            raise CommandError(f"{error.message} Set MLPORTAL_ADMIN_PASSWORD to a longer one.") from None
        return None if given else password

    def _greet(self, password: str | None, seconds: float) -> None:
        lines = ["", f"  mlportal is at {settings.PUBLIC_URL}"]
        if password:
            lines += [
                "",
                "  Log in as  admin",
                f"  password   {password}",
                "  It is shown this one time; change it on your account page.",
            ]
        lines += ["", f"  Everything is kept in {settings.HOME}. Ctrl-C stops the portal.", ""]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()

    def _end_runs(self, *, leave: bool) -> None:
        """The runners do not end with the worker. Unless told otherwise, the scripts end with the portal."""
        from experiments.runner import launch
        from experiments.services.starting import run_directory

        running = list(Run.objects.filter(status__in=RUN_OWNED, node=node_name()))
        if not running:
            return
        if leave:
            self.stderr.write(f"{len(running)} scripts go on running; the next start of the portal follows them.")
            return
        self.stderr.write(f"Ending {len(running)} running scripts (--leave-runs leaves them running).")
        for run in running:
            with suppress(FileNotFoundError):  # its folder is not laid out yet
                launch.request_cancel(run_directory(run))
        deadline = time.monotonic() + settings.RUN_CANCEL_GRACE_SECONDS + 5
        while time.monotonic() < deadline and any(launch.is_alive(run_directory(run)) for run in running):
            time.sleep(0.1)
        sys.stderr.flush()
