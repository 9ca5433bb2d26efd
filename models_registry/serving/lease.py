"""One supervisor serves, whatever number of machines work on the database; the others stand by."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from experiments.querysets.runs import from_now
from mlportal.node import node_name
from mlportal.uid import new_uid
from models_registry.models import Deployment, ServingLease

logger = logging.getLogger(__name__)
ONLY_ROW = 1
LOOK_SECONDS = 0.2


class Lease:
    """The right to serve, for as long as it is renewed."""

    def __init__(self, folder: Path) -> None:
        self.node, self.folder = node_name(), str(folder)
        self.token = new_uid()
        self._renew_at = 0.0
        self._told = False

    def take(self) -> bool:
        """Whether it is this supervisor's now: nobody had it, its holder is silent, or was the one here before."""
        free = Q(until=None) | Q(until__lt=Now()) | Q(node=self.node, folder=self.folder)
        row, _ = ServingLease.objects.get_or_create(pk=ONLY_ROW)
        if not ServingLease.objects.filter(free, pk=ONLY_ROW).exists():
            if not self._told:
                logger.info("The machine %s serves the deployments; this one stands by.", row.node)
                self._told = True
            return False
        with transaction.atomic():
            won = ServingLease.objects.filter(free, pk=ONLY_ROW, token=row.token).update(
                node=self.node, folder=self.folder, token=self.token, until=from_now(settings.LEASE_SECONDS)
            )
            if won and (row.node, row.folder) != (self.node, self.folder):
                # A holder that was only slow may be about to write: what it has read is of an older generation now.
                Deployment.objects.update(generation=F("generation") + 1)
        self._renew_at = time.monotonic() + settings.LEASE_SECONDS / 4
        return bool(won)

    def keep(self) -> bool:
        """Renew it when it is time to; false when another supervisor has taken it."""
        now = time.monotonic()
        if now < self._renew_at:
            return True
        mine = ServingLease.objects.filter(pk=ONLY_ROW, token=self.token)
        kept = mine.update(until=from_now(settings.LEASE_SECONDS))
        self._renew_at = now + settings.LEASE_SECONDS / 4
        return bool(kept)

    def holds(self) -> bool:
        """Whether it still is this one's; nobody takes it before the end of the transaction."""
        return bool(ServingLease.objects.filter(pk=ONLY_ROW, token=self.token).update(token=self.token))

    def give_back(self) -> None:
        ServingLease.objects.filter(pk=ONLY_ROW, token=self.token).update(until=None)


@contextmanager
def alone(folder: Path, stop: threading.Event) -> Iterator[Lease | None]:
    """The lease, as soon as nobody else has it, or None when `stop` is set first; given back at the end.

    The folder has a lock beside: two supervisors of one home would remove each other's sockets. The kernel frees it when
    a process is killed, so that its successor need not wait for the lease to run out.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    lease = Lease(folder)
    try:
        held = _wait(lambda: _lock(descriptor), stop) and _wait(lease.take, stop)
        yield lease if held else None
    finally:
        try:
            lease.give_back()
        except DatabaseError as error:  # it runs out by itself
            logger.warning("The lease could not be given back: %s", error)
        connections.close_all()
        os.close(descriptor)


def _wait(succeeded: Callable[[], bool], stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            if succeeded():
                return True
        except DatabaseError as error:
            logger.warning("The database does not answer: %s", error)
            connections.close_all()
        stop.wait(LOOK_SECONDS)
    return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
