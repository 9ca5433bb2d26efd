"""Following a run: ship what its folder gains to the database, until its runner is done.

What is shipped and how far it is shipped are written in one transaction, under the attempt that holds the lease: a line or
a point is there exactly once, whatever dies in between. The next worker goes on from the stored offsets.
"""

from __future__ import annotations

import logging
import math
import threading
import time

from django.conf import settings
from django.db import OperationalError, close_old_connections, transaction
from django.db.models import F

from experiments.models import FollowedFile, Run
from experiments.runner import launch
from experiments.runner.follow import RunFiles
from experiments.services import logs, metrics
from experiments.services.logs import STDOUT
from experiments.services.starting import run_directory
from mlportal.errors import StaleState

logger = logging.getLogger(__name__)
RECORDS = "metrics.jsonl"
READ_BYTES = 1 << 20
QUICK, SLOW = 0.05, 0.25  # seconds between looks at the folder: after something came, and when nothing does
ASK_SECONDS = 0.5  # between looks at the row: was the run canceled, is it still this worker's?
DATABASE_AWAY_SECONDS = 2.0
FILES_CUT = (
    "The files of ./logs are shown live up to {:,} bytes (MLPORTAL_LOG_LIMIT); when the run ends they are stored whole"
)


def follow(run: Run, stop: threading.Event) -> bool:
    """Ship until the runner is done (True) or `stop` is set (False: the lease is given back, the script goes on).

    Raises StaleState when another worker has adopted the run.
    """
    follower = Follower(run)
    pause = QUICK
    while True:
        done = not launch.is_alive(follower.directory)
        try:
            follower.ask()
            shipped = follower.ship(final=done)
        except OperationalError as error:  # the database is away: the folder keeps everything until it is back
            logger.warning("Run %s: the database does not answer (%s); trying again.", run.uid, error)
            close_old_connections()
            stop.wait(DATABASE_AWAY_SECONDS)
            follower = Follower(run)
            shipped, done = False, False
        if done and not shipped:
            return True
        if stop.is_set():
            Run.objects.release(run, well=True)
            return False
        pause = QUICK if shipped else min(SLOW, pause * 1.5)
        stop.wait(0 if done else pause)


class Follower:
    """One worker's way through the files of a run. As long as nothing comes, a look costs no query."""

    def __init__(self, run: Run) -> None:
        self.directory = run_directory(run)
        self._run = run
        self._files = RunFiles(self.directory)
        # As stored. Nobody else moves them while the lease is held; who writes without it is refused by `owned_by`.
        self._offsets: dict[str, int] | None = None
        self._asked = self._renewed = -math.inf
        self._is_cut = False
        self._untold: list[str] = []

    def ask(self) -> None:
        """Keep the lease, and hand on a request to cancel. StaleState when the run is no longer this worker's."""
        now = time.monotonic()
        if now - self._renewed > settings.LEASE_SECONDS / 4:
            Run.objects.renew(self._run, seconds=settings.LEASE_SECONDS)
            self._renewed = now
        if now - self._asked > ASK_SECONDS:
            if Run.objects.filter(pk=self._run.pk, cancel_requested_at__isnull=False).exists():
                launch.request_cancel(self.directory)
            self._asked = now

    def ship(self, *, final: bool) -> bool:
        """Ship what is new since the stored offsets; False when there was nothing."""
        if self._offsets is None:
            self._offsets = dict(FollowedFile.objects.filter(run=self._run).values_list("name", "offset"))
        offsets, files = self._offsets, self._files
        new_logs = self._new_logs(offsets, final=final)
        start = offsets.get(RECORDS, 0)
        records, end, bad = files.read_records(start, READ_BYTES)
        if not new_logs and end == start and not self._untold:
            return False
        moved = {name: offsets.get(name, 0) + len(data) for name, data in new_logs.items()}
        with transaction.atomic():
            if not Run.objects.owned_by(self._run).update(revision=F("revision") + 1, fruitless_attempts=0):
                raise StaleState(f"Run {self._run.uid} was adopted by another worker, or given up.")
            metrics.warn(self._run, self._untold)
            for name, data in new_logs.items():
                logs.append_log(self._run, name, offsets.get(name, 0), data)
            if end != start:
                metrics.ingest(self._run, records, bad_lines=bad)
                moved[RECORDS] = end
            FollowedFile.objects.bulk_create(
                (FollowedFile(run=self._run, name=name, offset=offset) for name, offset in moved.items()),
                update_conflicts=True,
                unique_fields=["run", "name"],
                update_fields=["offset"],
            )
        offsets |= moved
        self._untold = []
        return True

    def _new_logs(self, offsets: dict[str, int], *, final: bool) -> dict[str, bytes]:
        """What the logs have gained. The runner limits what is printed; the files of ./logs are as long as they like, so
        that they are followed up to a limit, which is all theirs together."""
        left = settings.RUN_LOG_BYTES - sum(offset for name, offset in offsets.items() if name not in (STDOUT, RECORDS))
        found: dict[str, bytes] = {}
        for name, size in self._files.log_sizes().items():
            start = offsets.get(name, 0)
            if size <= start:
                continue
            most = READ_BYTES if name == STDOUT else min(READ_BYTES, left)
            if most <= 0 and not self._is_cut:
                self._is_cut, self._untold = True, [FILES_CUT.format(settings.RUN_LOG_BYTES)]
            if most <= 0:
                continue
            if data := self._files.read_log(name, start, most, final=final):
                found[name] = data
                left -= 0 if name == STDOUT else len(data)
        return found
