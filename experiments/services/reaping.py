"""What beat does every few seconds: nothing that was promised in the database is forgotten."""

from __future__ import annotations

import logging
import re
import shutil
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from experiments.models import ComputeNode, EnvironmentBuild, Run
from experiments.querysets.runs import from_now
from experiments.runner import launch
from experiments.services import building, datasets, dispatch, snapshots, uploads
from experiments.status import BUILD_FINAL, RUN_FINAL, BuildStatus, RunStatus
from mlportal.blobs import services as blobs
from mlportal.errors import StaleState
from mlportal.node import node_name

logger = logging.getLogger(__name__)
RESEND_SECONDS = 15  # after which a message counts as lost
BUILDER_SILENT_SECONDS = 30
UID = re.compile("[0-9a-f]{32}")
UNUSED_AFTER = timedelta(days=1)


def reap() -> None:
    """Send lost messages again, give ownerless runs to a worker, close what its worker left open."""
    for build in EnvironmentBuild.objects.under_way().filter(seen_at__lt=from_now(-BUILDER_SILENT_SECONDS)):
        if build.status == BuildStatus.WAITING and not _node_is_gone(build.node):
            dispatch.wake_builder(build)
            EnvironmentBuild.objects.filter(pk=build.pk).update(seen_at=Now())
        else:
            _close_build(build)
    unheard = Q(woken_at=None) | Q(woken_at__lt=from_now(-RESEND_SECONDS))
    waiting = Run.objects.filter(status__in=[RunStatus.NOT_STARTED, RunStatus.QUEUED]) | Run.objects.filter(
        Q(build=None) | Q(build__status__in=BUILD_FINAL), status=RunStatus.PREPARING
    )
    for run in waiting.filter(unheard):
        dispatch.wake(run)
    for run in Run.objects.without_a_living_worker().filter(Q(woken_at=None) | Q(woken_at__lt=from_now(-2))):
        if _node_is_gone(run.node):
            _give_up(run)
        else:
            dispatch.wake(run)


def sweep() -> None:
    """Free what nothing in the portal's storage refers to any more: blobs and snapshots of uploads that became no run."""
    before = timezone.now() - UNUSED_AFTER
    datasets.forget_unnamed()
    uploads.forget_uploads()
    snapshots.delete_unused(before)
    if freed := blobs.delete_unreferenced(before):
        logger.info("%d bytes freed.", freed)
    # The storage may have millions of files: each sweep looks through an eighth of its folders.
    turn = int(time.time() // settings.SWEEP_SECONDS) % 8
    if orphans := blobs.delete_orphans(before, [f"{number:02x}" for number in range(turn, 256, 8)]):
        logger.info("%d files of the storage that belong to nothing were removed.", orphans)


def sweep_run_folders() -> None:
    """Remove this machine's folders of runs that are final, and ask scripts that still run there to end."""
    runs = Path(settings.RUNS_DIR)
    if runs.is_dir():
        names = {entry.name for entry in runs.iterdir()}
        done = Run.objects.filter(uid__in=names, status__in=RUN_FINAL)
        for uid, failure in done.values_list("uid", "failure"):
            if (failure or {}).get("reason") == "disk_full":  # what is in it is stored nowhere else
                continue
            if launch.is_alive(runs / uid):  # the portal gave the run up while this machine was cut off from it
                launch.request_cancel(runs / uid)
            else:
                shutil.rmtree(runs / uid, ignore_errors=True)
        known = set(Run.objects.filter(uid__in=names).values_list("uid", flat=True))
        for uid in names - known:  # of runs that were deleted for good
            folder = runs / uid
            with suppress(FileNotFoundError):
                is_old = folder.stat().st_mtime < time.time() - UNUSED_AFTER.total_seconds()
                if UID.fullmatch(uid) and is_old and not launch.is_alive(folder):
                    shutil.rmtree(folder, ignore_errors=True)


def _close_build(build: EnvironmentBuild) -> None:
    try:
        EnvironmentBuild.objects.move(
            build, BuildStatus.CANCELED, error="Its worker stopped; it starts again when needed."
        )
    except StaleState:
        return
    building.settle(build)


def _node_is_gone(name: str) -> bool:
    """This machine itself never is: after a long night it may reap before it has reported."""
    if name in (node_name(), building.ANY_NODE):
        return False
    return not ComputeNode.objects.filter(name=name, seen_at__gt=from_now(-settings.NODE_GONE_SECONDS)).exists()


def _give_up(run: Run) -> None:
    silent = f"{settings.NODE_GONE_SECONDS} seconds (MLPORTAL_NODE_GONE)"
    reason = f"The machine {run.node} has not been heard of for {silent}."
    try:
        failure = {"type": "Machine lost", "message": reason}
        # The next attempt number is nobody's: should the machine come back, its worker is refused, and ends the script.
        Run.objects.move(run, RunStatus.FAILED, reason=reason, failure=failure, attempt=run.attempt + 1)
    except StaleState:
        return
