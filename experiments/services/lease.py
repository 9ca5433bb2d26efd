"""Holding on to a run through a step that takes long."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection

from experiments.models import Run
from mlportal.errors import StaleState

logger = logging.getLogger(__name__)


@contextmanager
def kept(run: Run) -> Iterator[None]:
    """The lease is renewed from a thread of its own meanwhile. Whoever loses it all the same finds out at the next write."""
    over = threading.Event()

    def renew() -> None:
        try:
            while not over.wait(settings.LEASE_SECONDS / 4):
                try:
                    Run.objects.renew(run, seconds=settings.LEASE_SECONDS)
                except StaleState:
                    return
                except DatabaseError as error:
                    logger.warning("Run %s: its lease could not be renewed: %s", run.uid, error)
                    connection.close()
        finally:
            connection.close()

    thread = threading.Thread(target=renew, name=f"lease-{run.uid[-6:]}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
