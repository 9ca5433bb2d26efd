"""Following a run: ship what its folder gains to the database, until its runner is done.

What is shipped and how far it is shipped are written in one transaction, under the attempt that holds the lease: a line or
a point is there exactly once, whatever dies in between. The next worker goes on from the stored offsets.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from django.conf import settings
from django.db import OperationalError, close_old_connections, transaction
from django.db.models import F

from experiments.models import FollowedFile, Run
from experiments.runner import launch
from experiments.runner.follow import RunFiles
from experiments.services import logs, metrics
from experiments.services.starting import run_directory
from mlportal.errors import StaleState

logger = logging.getLogger(__name__)
RECORDS = "metrics.jsonl"
READ_BYTES = 1 << 20
QUICK, SLOW = 0.05, 0.25  # seconds between looks: after something came, and when nothing does
DATABASE_AWAY_SECONDS = 2.0


def follow(run: Run, stop: threading.Event) -> bool:
    """Ship until the runner is done (True) or `stop` is set (False: the lease is given back, the script goes on).

    Raises StaleState when another worker has adopted the run.
    """
    directory = run_directory(run)
    pause, renewed = QUICK, 0.0
    while True:
        done = not launch.is_alive(directory)
        try:
            if time.monotonic() - renewed > settings.LEASE_SECONDS / 4:
                Run.objects.renew(run, seconds=settings.LEASE_SECONDS)
                renewed = time.monotonic()
            if Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists():
                launch.request_cancel(directory)
            shipped = ship(run, directory, final=done)
        except OperationalError as error:  # the database is away: the folder keeps everything until it is back
            logger.warning("Run %s: the database does not answer (%s); trying again.", run.uid, error)
            close_old_connections()
            stop.wait(DATABASE_AWAY_SECONDS)
            shipped, done = False, False
        if done and not shipped:
            return True
        if stop.is_set():
            Run.objects.release(run)
            return False
        pause = QUICK if shipped else min(SLOW, pause * 1.5)
        stop.wait(0 if done else pause)


def ship(run: Run, directory: Path, *, final: bool) -> bool:
    """Ship what is new since the stored offsets; False when there was nothing."""
    files = RunFiles(directory)
    offsets = dict(FollowedFile.objects.filter(run=run).values_list("name", "offset"))
    new_logs = {
        name: data
        for name in files.log_names()
        if (data := files.read_log(name, offsets.get(name, 0), READ_BYTES, final=final))
    }
    records, end, bad = files.read_records(offsets.get(RECORDS, 0), READ_BYTES)
    moved = end != offsets.get(RECORDS, 0)
    if not new_logs and not moved:
        return False
    with transaction.atomic():
        if not Run.objects.owned_by(run).update(revision=F("revision") + 1):
            raise StaleState(f"Run {run.uid} was adopted by another worker, or given up.")
        for name, data in new_logs.items():
            logs.append_log(run, name, offsets.get(name, 0), data)
            _keep(run, name, offsets.get(name, 0) + len(data))
        if moved:
            metrics.ingest(run, records)
            _keep(run, RECORDS, end)
    if bad:
        logger.warning("Run %s: %d lines of %s are not valid and were skipped.", run.uid, bad, RECORDS)
    return True


def _keep(run: Run, name: str, offset: int) -> None:
    FollowedFile.objects.update_or_create(run=run, name=name, defaults={"offset": offset})
