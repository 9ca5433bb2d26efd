"""Keeps model workers equal to the deployments that the database asks for. Processes only, never HTTP.

Everything is compared anew at every tick: what rows ask for, what processes are, what rows say of them. A supervisor
that is killed takes its model workers along (the kernel sees to that), and the next one starts what rows ask for.
"""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.utils import timezone

from mlportal.errors import IllegalMove, StaleState
from mlportal.processes import STOP
from mlportal.texts import storable
from mlportal.uid import new_uid
from models_registry.models import Deployment, Revision
from models_registry.serving.lease import alone
from models_registry.serving.materials import Preparation, revisions_folder
from models_registry.serving.replica import Backoff
from models_registry.serving.slots import Report, Slot

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.2
ROWS_SECONDS = 0.5
END_SECONDS = 10.0
BOTH = ("revision", "live_revision")
OF_EACH = ("environment_version__environment", "snapshot")
RELATED = ("workspace", *(f"{which}__{what}" for which in BOTH for what in OF_EACH))
PARTS = tuple(f"{which}__parts__version__model" for which in BOTH)


class Supervisor:
    """`run` in the thread that shall own the model workers: they end with it.

    `ending` is set when rows are no longer written, so that a build that gives up then is nobody's failure.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        new_backoff: Callable[[], Backoff] = Backoff,
        ending: threading.Event | None = None,
    ) -> None:
        self.folder = folder or Path(settings.SERVING_DIR)
        self.new_backoff = new_backoff
        self.ending = ending or threading.Event()
        self.slots: dict[int, Slot] = {}
        self._revisions_in_use: set[int] = set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set, or another supervisor has taken over; then all model workers are ended."""
        with alone(self.folder, stop) as lease:
            if lease is None:
                return
            self._clean_sockets()
            next_look = 0.0
            while not stop.wait(TICK_SECONDS):
                now = time.monotonic()
                try:
                    if not lease.keep():
                        logger.error("Another supervisor has taken over: this one was silent for too long.")
                        break
                    if now >= next_look:
                        self._read_rows()
                        next_look = now + ROWS_SECONDS
                    self._tick()
                except DatabaseError as error:  # what runs goes on running; rows are looked at again
                    logger.warning("The database does not answer: %s", error)
                    connections.close_all()
            self._end()

    def _clean_sockets(self) -> None:
        shutil.rmtree(self.folder / "sockets", ignore_errors=True)
        (self.folder / "sockets").mkdir(mode=0o700)

    def _next_socket(self) -> Path:
        return self.folder / "sockets" / new_uid()  # never given again: a gateway may still know it as another model's

    def _read_rows(self) -> None:
        """One small query; whole rows are fetched only where something was asked for."""
        stamps = {
            pk: (generation, status)
            for pk, generation, status in Deployment.objects.values_list("pk", "generation", "status")
        }
        for pk, slot in self.slots.items():
            if pk not in stamps:
                slot.deployment.wanted = False  # deleted
        changed = [
            pk
            for pk, stamp in stamps.items()
            if pk not in self.slots or stamp != (self.slots[pk].deployment.generation, self.slots[pk].deployment.status)
        ]
        for deployment in self._rows().filter(pk__in=changed):
            if deployment.pk in self.slots:
                self.slots[deployment.pk].deployment = deployment
            else:
                self.slots[deployment.pk] = Slot(
                    deployment, self.folder, self._next_socket, self.new_backoff, settings.SERVICE_SECONDS
                )
        for pk in [pk for pk, slot in self.slots.items() if pk not in stamps and slot.is_empty]:
            del self.slots[pk]

    def _tick(self) -> None:
        for slot in self.slots.values():
            try:
                report = slot.tick()
                if report is not None:
                    self._write(slot, report)
            except DatabaseError:
                raise
            except Exception:  # the edge of the process: a fault with one deployment must not end all the others
                logger.exception("Deployment %s could not be looked after.", slot.deployment)
        self._tidy()

    def _write(self, slot: Slot, report: Report) -> None:
        row = slot.deployment
        changes = {name: storable(value) for name, value in report.fields.items() if getattr(row, name) != value}
        if row.status == report.status and not changes:
            return
        changes["updated_at"] = timezone.now()
        try:
            if row.status == report.status:
                same = Deployment.objects.filter(pk=row.pk, generation=row.generation, status=row.status)
                same.update(**changes)
            else:
                logger.info("Deployment %s: %s → %s: %s", row, row.status, report.status, report.reason)
                Deployment.objects.move(row, report.status, reason=report.reason, **changes)
        except (StaleState, IllegalMove):
            logger.info("Deployment %s was asked for something else meanwhile.", row)
        if changes.keys() & {"revision", "live_revision"}:
            Revision.objects.unused(row.workspace).delete()
        # Whoever wrote: the row as it is now. A row that is gone is noticed at the next look.
        slot.deployment = self._rows().filter(pk=row.pk).first() or row

    def _rows(self) -> QuerySet[Deployment]:
        return Deployment.objects.select_related(*RELATED).prefetch_related(*PARTS)

    def _tidy(self) -> None:
        """Files that no worker uses any more."""
        used = {revision for slot in self.slots.values() for revision in slot.revisions()}
        if used == self._revisions_in_use:
            return
        self._revisions_in_use = used
        for folder in revisions_folder().glob("*"):
            if folder.name.isdigit() and int(folder.name) not in used:
                shutil.rmtree(folder, ignore_errors=True)

    def _end(self) -> None:
        self.ending.set()
        for slot in self.slots.values():
            slot.drain_seconds = min(slot.drain_seconds, END_SECONDS)
            slot.tick(closing=True)
        deadline = time.monotonic() + END_SECONDS + 2
        while not all(slot.is_empty for slot in self.slots.values()) and time.monotonic() < deadline:
            time.sleep(0.02)
            for slot in self.slots.values():
                slot.tick(closing=True)
        for thread in threading.enumerate():
            if isinstance(thread, Preparation):  # its `uv` would outlive this process
                thread.join(max(0.0, deadline - time.monotonic()))


def serve_forever() -> None:
    """The process `serving`: until SIGTERM or SIGINT, or until another machine has taken over."""
    stop = threading.Event()

    def ask(*_: Any) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    Supervisor(ending=STOP).run(stop)
    if not stop.is_set():
        sys.exit(1)  # whoever started this process starts it again, to stand by
