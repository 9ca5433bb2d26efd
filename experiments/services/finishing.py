"""Post-processing: what the script left becomes artifacts, its log too, and the run becomes final."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.db import transaction

from experiments.models import Artifact, Run
from experiments.runner import beneath, collect, launch
from experiments.runner.contract import Exit
from experiments.runner.layout import STD_LOG
from experiments.runner.traceback_summary import summarise
from experiments.services import dispatch
from experiments.services.logs import STDOUT
from experiments.services.starting import run_directory
from experiments.status import RunStatus
from mlportal.access.models import AuditEvent, User
from mlportal.blobs import services as blobs
from mlportal.texts import storable

TAIL_BYTES = 256 * 1024
REASONS = {
    "wall_time": "It reached its time limit and was ended.",
    "out_of_memory": "It ran out of memory.",
    "disk_full": "The disk is full.",
    "output_limit": "Its outputs passed the limit (MLPORTAL_OUTPUT_LIMIT).",
    "start_failed": "The script could not be started.",
    "log_failed": "Its log could not be written.",
    "runner_killed": "The process that owns the script was killed, and the script with it.",
    "runner_error": "The process that owns the script failed; this is a defect of the portal.",
    "lost": "The process that owns the script was killed, and the script with it.",
}


STOPPED = "ended when the portal was stopped"  # by its own Ctrl-C: nobody asked


class DiskFull(Exception):
    """The store has no room for what the run left."""


def finish(run: Run) -> None:
    """From `Running` (or an interrupted `Finalizing`) to the final status. Doing it again changes nothing."""
    directory = run_directory(run)
    launch.kill_leftovers(directory)
    ended = launch.read_exit(directory)
    run.refresh_from_db(fields=["cancel_requested_at", "failure"])
    if run.status == RunStatus.RUNNING:
        Run.objects.move(run, RunStatus.FINALIZING, reason=_how_it_ended(run, ended))
    full: DiskFull | None = None
    skipped: list[tuple[str, str]] = []
    try:
        skipped = _store_files(run, directory)
    except DiskFull as error:
        full = error
    status, fields = _verdict(run, ended, directory)
    if full is not None:
        status = RunStatus.FAILED
        fields["failure"] = {"type": "Disk full", "reason": "disk_full", "message": str(full), "log": STDOUT}
    with transaction.atomic():
        if full is None:
            run.log_chunks.all().delete()  # else they are all that there is of the log
        run.tokens.all().delete()
        by = canceler(run) if status == RunStatus.CANCELED or run.is_given_up else None
        reason = f"{status.label.lower()} by {by.get_username()}" if by else _how_it_ended(run, ended)
        Run.objects.move(run, status, reason=reason, by=by, lease_until=None, skipped_files=skipped, **fields)
    if full is None:
        shutil.rmtree(directory, ignore_errors=True)
    if run.compute_target:
        dispatch.wake_target(run.compute_target)


def canceler(run: Run) -> User | None:
    """Who asked for its end; the audit trail alone knows. None: nobody, or somebody whose account is gone."""
    asked = AuditEvent.objects.filter(workspace=run.workspace, action="run.cancel", subject=run.uid)
    found = asked.select_related("actor").first()
    return found.actor if found else None


def _store_files(run: Run, directory: Path) -> list[tuple[str, str]]:
    """Store what the run left, file by file: first the bytes, then the row. What an earlier try has stored stays."""
    found_files, skipped = collect.walk_outputs(
        directory, max_files=settings.RUN_OUTPUT_FILES, max_bytes=settings.RUN_OUTPUT_BYTES + settings.RUN_LOG_BYTES
    )
    stored = dict(run.artifacts.values_list("path", "blob_id"))
    left_out: list[tuple[str, str]] = []
    for found in found_files:
        try:
            stream = found.open()
        except OSError as error:
            left_out.append((found.name, str(error)))
            continue
        if found.name in stored:
            with stream:
                if _digest(stream) != stored[found.name]:
                    left_out.append((found.name, "stored already: a file of the same name was uploaded by the script"))
            continue
        with stream:
            try:
                blob = blobs.put(stream)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise DiskFull(
                        f"The disk is full: {found.name} and what comes after it could not be stored; it stays in {directory}."
                    ) from error
                raise  # the storage is away: the run is taken up again, and nothing of it is lost
        Run.objects.renew(run, seconds=settings.LEASE_SECONDS)
        Artifact.objects.get_or_create(run=run, path=found.name, defaults={"blob": blob, "size": blob.size})
    return [*skipped, *left_out]


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(blobs.CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _verdict(run: Run, ended: Exit | None, directory: Path) -> tuple[RunStatus, dict[str, Any]]:
    """The final status, and what is remembered of the end."""
    fields: dict[str, Any] = {"output_bytes": sum(run.artifacts.values_list("size", flat=True))}
    if ended is not None:
        fields |= {
            "exit_code": ended.exit_code,
            "exit_signal": ended.signal,
            "log_cut_bytes": ended.log_cut_bytes,
            "peak_memory_bytes": ended.peak_memory_bytes,
            "cpu_seconds": ended.cpu_seconds,
        }
        if ended.reason == "canceled":
            return (RunStatus.FAILED if run.is_given_up else RunStatus.CANCELED), fields
        if ended.succeeded:
            return (RunStatus.FAILED if run.failure else RunStatus.COMPLETED), fields
    fields["failure"] = _failure(run, ended, directory)
    return RunStatus.FAILED, fields


def _failure(run: Run, ended: Exit | None, directory: Path) -> dict[str, Any]:
    """What a person reads on top of a failed run; a traceback in the log says most."""
    failure: dict[str, Any] = dict(run.failure or {"type": None, "message": ""})
    failure |= {
        "exit_code": ended.exit_code if ended else None,
        "signal": ended.signal if ended else None,
        "log": STDOUT,
    }
    reason = ended.reason if ended else "lost"
    if reason in REASONS:
        failure["message"] = " ".join(filter(None, [REASONS[reason], ended.message if ended else ""]))
        failure["reason"] = reason
        if reason != "out_of_memory":
            return failure
    failure |= _read_traceback(directory)
    if not failure["message"]:
        failure["message"] = _how_it_ended(run, ended)
    return failure


def _read_traceback(directory: Path) -> dict[str, Any]:
    """The last traceback of the log; its offset in bytes from the log's start. Empty when the log shows none."""
    try:
        with open(beneath.open_regular(directory, tuple(STD_LOG.split("/"))), "rb") as stream:
            start = max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES)
            stream.seek(start)
            tail = stream.read().decode(errors="surrogateescape")  # so that characters can be counted back into bytes
    except OSError:  # it is gone, or the script has put something else in its place
        return {}
    found = summarise(tail)
    if found is None:
        return {}
    hint = found.hint and {
        "kind": found.hint.kind,
        "text": found.hint.text,
        "suggested_as_of": found.hint.suggested_as_of and found.hint.suggested_as_of.isoformat(),
    }
    summary = {
        "type": found.exception,
        "message": found.message,
        "file": found.file and _in_snapshot(found.file, directory),
        "line": found.line,
        "frames": [{**asdict(frame), "file": _in_snapshot(frame.file, directory)} for frame in found.frames],
        "offset": start + len(tail[: found.offset].encode(errors="surrogateescape")),
        "hint": hint,
    }
    return cast("dict[str, Any]", storable(summary))


def _in_snapshot(file: str, directory: Path) -> str:
    """A file of the snapshot by its name there: the folder of the run is nobody's business, and gone."""
    return file.removeprefix(f"{directory}/work/")


def _how_it_ended(run: Run, ended: Exit | None) -> str:
    if ended is None:
        return REASONS["lost"]
    if ended.reason in REASONS:
        return REASONS[ended.reason]
    if ended.reason == "canceled":
        return STOPPED if run.cancel_requested_at is None else "canceled on request"
    if ended.signal:
        return f"ended by signal {ended.signal}"
    return f"exited with code {ended.exit_code}"
