"""A worker's part in a run: take it, or adopt it from a worker that is gone, follow it, finish it."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from experiments import environments as conda
from experiments.models import ComputeTarget, Run
from experiments.runner import launch
from experiments.runner.launch import RunnerError
from experiments.services import compute, crew, finishing, following, lease, purging, reaping, starting
from experiments.snapshots import CorruptBlob
from experiments.status import RunStatus
from mlportal.errors import PortalError, StaleState, StorageAway
from mlportal.node import node_name
from mlportal.processes import STOP

logger = logging.getLogger(__name__)
REPORT_SECONDS = 15
STORAGE_AWAY_SECONDS = 5
LOOK_SECONDS = 2  # between looks at which targets there are: a new one is served at once
WORKER = f"{node_name()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def take_next(target: ComputeTarget) -> None:
    """Take the next run of the target, if there is one and a slot is free, and stay with it until its end."""
    if STOP.is_set():
        return
    run = starting.take_next(target, worker=WORKER)
    if run is not None:
        _see_through(run)


def adopt(run: Run) -> None:
    """Go on with a run of this machine whose worker is gone."""
    if STOP.is_set() or run.node != node_name():
        return
    try:
        Run.objects.adopt(run, worker=WORKER, seconds=settings.LEASE_SECONDS)
        if run.fruitless_attempts >= settings.RUN_ATTEMPTS:
            times = f"{settings.RUN_ATTEMPTS} times (MLPORTAL_RUN_ATTEMPTS)"
            message = f"It was taken up {times} and never came to an end; the worker's log says why."
            failure = {"type": "Worker", "message": message}
            Run.objects.move(run, RunStatus.FAILED, reason=message, failure=failure, lease_until=None)
            _end_script(run)
            return
    except StaleState:
        return
    logger.info("Adopted run %s, attempt %d.", run.uid, run.attempt)
    _see_through(run)


def _see_through(run: Run) -> None:
    try:
        if run.status == RunStatus.RUNNING and not (
            _with_storage(run, _start_or_fail) and not run.is_final and following.follow(run, STOP)
        ):
            return
        _with_storage(run, finishing.finish)
    except StaleState:
        logger.info("Run %s is no longer this worker's.", run.uid)
        run.refresh_from_db()
        if run.is_final:  # it was given up; if another worker had it now, the script would be that one's
            _end_script(run)
    except Exception:  # a defect of ours, at the edge of the task: the lease goes back, and the run is taken up again
        Run.objects.release(run)
        raise


def _with_storage(run: Run, step: Callable[[Run], None]) -> bool:
    """Take the step, and again until the storage answers: a night without it costs no attempt, and nothing of the run.

    False when the worker was asked to end meanwhile: the lease is given back.
    """
    with lease.kept(run):
        while True:
            try:
                step(run)
                return True
            except StorageAway as error:
                logger.warning("Run %s waits for the storage: %s", run.uid, error)
            if STOP.wait(STORAGE_AWAY_SECONDS):
                Run.objects.release(run, well=True)
                return False


def _end_script(run: Run) -> None:
    """Nobody follows it any more: its runner is asked to end it."""
    with suppress(FileNotFoundError):
        launch.request_cancel(starting.run_directory(run))


def _start_or_fail(run: Run) -> None:
    if Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists() and not starting.was_started(run):
        Run.objects.move(run, RunStatus.CANCELED, reason="canceled before its script was started", lease_until=None)
        return
    try:
        starting.start(run)
    except (StaleState, StorageAway):
        raise
    except (OSError, CorruptBlob, RunnerError, PortalError) as error:
        logger.exception("Run %s could not be started.", run.uid)
        failure = {"type": "Could not start", "message": f"The run's folder could not be made: {error}"}
        Run.objects.move(run, RunStatus.FAILED, reason=failure["message"], failure=failure, lease_until=None)


def arrive(targets: Sequence[str] | None, listen: Callable[[list[str]], None] = lambda queues: None) -> None:
    """This worker is there: say what the machine has, again and again, and take up what its predecessor left.

    `listen` is told the queues of the targets, at first and whenever targets have come or gone; None serves all there are.
    """
    sweep_here()
    reaping.reap()
    crew.tidiers.do(purging.PURGE, purging.resume)
    threading.Thread(target=_report_on, args=[targets, listen], name="report", daemon=True).start()


def leave() -> None:
    """This worker was asked to end: wait until its runs are given back and its builds have stopped."""
    STOP.set()
    for one in crew.CREWS:
        one.end()


def sweep_here() -> None:
    """Free this machine's disk of what nobody needs. Every worker does it: no other machine can."""
    conda.sweep(Path(settings.ENVIRONMENTS_DIR))
    starting.sweep_drafts()
    reaping.sweep_run_folders()


def _report_on(names: Sequence[str] | None, listen: Callable[[list[str]], None]) -> None:
    swept, reported = time.monotonic(), -math.inf
    queues: list[str] = []
    while not STOP.is_set():
        try:
            before, queues = queues, [target.queue for target in compute.served(names)]
            listen(queues)
            if queues != before or time.monotonic() - reported >= REPORT_SECONDS:
                reported = time.monotonic()
                compute.report_node(names)
            if time.monotonic() - swept >= settings.SWEEP_SECONDS:
                swept = time.monotonic()
                sweep_here()
        except OSError as error:
            logger.warning("This machine's folders could not be swept: %s", error)
        except DatabaseError as error:
            logger.warning("The database does not answer: %s", error)
        finally:
            connection.close()
        STOP.wait(LOOK_SECONDS)
