"""Keeps model workers equal to the deployments that the database asks for. Processes only, never HTTP.

Everything is compared anew at every tick: what rows ask for, what processes are, what rows say of them. A supervisor
that is killed takes its model workers along (the kernel sees to that), and the next one starts what rows ask for.
"""

from __future__ import annotations

import contextlib
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
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from mlportal.errors import IllegalMove, StaleState
from mlportal.processes import STOP
from mlportal.texts import storable
from mlportal.uid import new_uid
from models_registry.models import Deployment, Revision, ServiceReplica
from models_registry.services.history import note_served, who_asked
from models_registry.serving.lease import Lease, alone
from models_registry.serving.load import loads
from models_registry.serving.materials import Preparation, revisions_folder
from models_registry.serving.replica import Backoff
from models_registry.serving.slots import Key, Report, Slot

logger = logging.getLogger(__name__)
TICK_SECONDS = 0.2
SOON_SECONDS = 0.03  # while something is being started: somebody waits for it
ROWS_SECONDS = 0.2
END_SECONDS = 10.0
ALL = ("revision", "live_revision", "candidate", "standby")
OF_EACH = ("environment_version__environment", "snapshot")
RELATED = ("workspace", *(f"{which}__{what}" for which in ALL for what in OF_EACH))
PARTS = tuple(f"{which}__parts__version__model" for which in ALL)


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
        self._loads: dict[int, float] = {}  # requests at once, by deployment

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set, or another supervisor has taken over; then all model workers are ended."""
        with alone(self.folder, stop) as lease:
            if lease is None:
                return
            self._clean_sockets()
            forgotten = False
            next_look = 0.0
            while not stop.wait(self._pause()):
                now = time.monotonic()
                try:
                    if not lease.keep():
                        logger.error("Another supervisor has taken over: this one was silent for too long.")
                        break
                    if not forgotten:
                        ServiceReplica.objects.all().delete()  # of whoever served before
                        forgotten = True
                    if now >= next_look:
                        self._read_rows()
                        next_look = now + ROWS_SECONDS
                        if any(slot.deployment.scales for slot in self.slots.values()):
                            self._loads = loads()
                    self._tick(lease)
                except DatabaseError as error:  # what runs goes on running; rows are looked at again
                    logger.warning("The database does not answer: %s", error)
                    connections.close_all()
            self._end()

    def _pause(self) -> float:
        return SOON_SECONDS if any(slot.is_under_way for slot in self.slots.values()) else TICK_SECONDS

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
        # Making the query costs more than asking it, and most looks find nothing new.
        for deployment in self._rows().filter(pk__in=changed) if changed else ():
            if deployment.pk in self.slots:
                self.slots[deployment.pk].deployment = deployment
            else:
                self.slots[deployment.pk] = Slot(
                    deployment, self.folder, self._next_socket, self.new_backoff, settings.SERVICE_SECONDS
                )
        for pk in [pk for pk, slot in self.slots.items() if pk not in stamps and slot.is_empty]:
            del self.slots[pk]

    def _tick(self, lease: Lease) -> None:
        for slot in self.slots.values():
            try:
                report = slot.tick(load=self._loads.get(slot.deployment.pk, 0.0))
                self._write_replicas(slot, lease)
                if report is not None:
                    self._write(slot, report)
            except DatabaseError:
                raise
            except Exception:  # the edge of the process: a fault with one deployment must not end all the others
                logger.exception("Deployment %s could not be looked after.", slot.deployment)
        self._tidy()

    def _write_replicas(self, slot: Slot, lease: Lease) -> None:
        """Before the deployment itself: who reads that a revision answers finds its replicas, too."""
        rows = slot.replicas()
        for key in slot.written.keys() - rows.keys():
            ServiceReplica.objects.filter(pk__in=[slot.written.pop(key)[0] or 0]).delete()
        for key, row in rows.items():
            pk, written = slot.written.get(key, (None, None))
            if written == row:
                continue
            said = {name: storable(value) for name, value in row.items()}
            if pk is None or not ServiceReplica.objects.filter(pk=pk).update(**said):
                pk = self._new_row(slot.deployment, key, said, lease)
            slot.written[key] = pk, row

    def _new_row(self, deployment: Deployment, key: Key, said: dict[str, Any], lease: Lease) -> int | None:
        """None where the service or the revision is deleted meanwhile, or another supervisor serves."""
        of_it = {"deployment": deployment, "revision_id": key[0], "number": key[1]}
        with contextlib.suppress(IntegrityError), transaction.atomic():
            if lease.holds():
                ServiceReplica.objects.filter(**of_it).delete()  # of one that was slow to notice
                return ServiceReplica.objects.create(**of_it, **said).pk
        return None

    def _write(self, slot: Slot, report: Report) -> None:
        row = slot.deployment
        self._write_signatures(slot)
        changes = {name: storable(value) for name, value in report.fields.items() if getattr(row, name) != value}
        if row.status == report.status and not changes:
            return
        changes["updated_at"] = timezone.now()
        try:
            with transaction.atomic():
                if row.status == report.status:
                    same = Deployment.objects.filter(pk=row.pk, generation=row.generation, status=row.status)
                    same.update(**changes)
                else:
                    logger.info("Deployment %s: %s → %s: %s", row, row.status, report.status, report.reason)
                    Deployment.objects.move(row, report.status, reason=report.reason, **changes)
                if "live_revision" in changes:
                    now = Deployment.objects.filter(pk=row.pk).first()
                    if now is not None:
                        note_served(now, report.reason, by=who_asked(now))
        except (StaleState, IllegalMove):
            logger.info("Deployment %s was asked for something else meanwhile.", row)
        if changes.keys() & {"revision", "live_revision", "standby"}:
            Revision.objects.unused(row.workspace).delete()
        # Whoever wrote: the row as it is now. A row that is gone is noticed at the next look.
        slot.deployment = self._rows().filter(pk=row.pk).first() or row

    def _write_signatures(self, slot: Slot) -> None:
        for fleet in slot.fleets.values():
            signature = storable(fleet.signature)
            if signature is not None and fleet.revision.signature != signature:
                Revision.objects.filter(pk=fleet.revision.pk).update(signature=signature)
                fleet.revision.signature = signature

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
