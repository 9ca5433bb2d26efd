"""A worker's part in a run: take it, or adopt it from a worker that is gone, follow it, finish it."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from experiments import environments as conda
from experiments.models import ComputeTarget, Run
from experiments.runner import launch
from experiments.runner.launch import RunnerError
from experiments.services import compute, finishing, following, lease, reaping, starting
from experiments.snapshots import CorruptBlob
from experiments.status import RunStatus
from mlportal.errors import PortalError, StaleState
from mlportal.node import node_name
from mlportal.processes import STOP

logger = logging.getLogger(__name__)
REPORT_SECONDS = 15
MOST_ATTEMPTS = 50
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
        if run.attempt > MOST_ATTEMPTS:
            message = f"It was taken up {MOST_ATTEMPTS} times and never came to an end; the worker's log says why."
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
        if run.status == RunStatus.RUNNING:
            with lease.kept(run):
                _start_or_fail(run)
            if run.is_final or not following.follow(run, STOP):
                return
        with lease.kept(run):
            finishing.finish(run)
    except StaleState:
        logger.info("Run %s is no longer this worker's.", run.uid)
        run.refresh_from_db()
        if run.is_final:  # it was given up; if another worker had it now, the script would be that one's
            _end_script(run)
    except Exception:  # a defect of ours, at the edge of the task: the lease goes back, and the run is taken up again
        Run.objects.release(run)
        raise


def _end_script(run: Run) -> None:
    """Nobody follows it any more: its runner is asked to end it."""
    with suppress(FileNotFoundError):
        launch.request_cancel(starting.run_directory(run))


def _start_or_fail(run: Run) -> None:
    try:
        starting.start(run)
    except StaleState:
        raise
    except (OSError, CorruptBlob, RunnerError, PortalError) as error:
        logger.exception("Run %s could not be started.", run.uid)
        failure = {"type": "Could not start", "message": f"The run's folder could not be made: {error}"}
        Run.objects.move(run, RunStatus.FAILED, reason=failure["message"], failure=failure, lease_until=None)


def arrive(targets: Sequence[str]) -> None:
    """This worker is there: say what the machine has, again and again, and take up what its predecessor left."""
    conda.sweep(Path(settings.ENVIRONMENTS_DIR))
    starting.sweep_drafts()
    reaping.reap()
    threading.Thread(target=_report_on, args=[list(targets)], name="report", daemon=True).start()


def _report_on(targets: list[str]) -> None:
    while not STOP.is_set():
        try:
            compute.report_node(targets)
        except DatabaseError as error:
            logger.warning("The database does not answer: %s", error)
        finally:
            connection.close()
        STOP.wait(REPORT_SECONDS)
