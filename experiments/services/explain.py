"""Why a run took as long as it did: its four phases, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from experiments.models import Run
from experiments.services import compute, environments
from experiments.status import Phase, RunStatus


@dataclass(frozen=True)
class PhaseSpan:
    """`start` is None when it has not begun, `end` when it goes on."""

    name: str
    start: datetime | None
    end: datetime | None
    reason: str


def phases(run: Run) -> list[PhaseSpan]:
    """Always the four, in order."""
    moments = [run.preparing_at and run.created_at, run.queued_at, run.started_at, run.finalizing_at, run.ended_at]
    reasons = [_preparing(run), _scaling(run), _running(run), _post_processing(run)]
    spans = []
    for index, (name, reason) in enumerate(zip(Phase, reasons, strict=True)):
        start = moments[index]
        end = next((moment for moment in moments[index + 1 :] if moment), None) if start else None
        spans.append(PhaseSpan(name.value, start, end, reason if start else ""))
    return spans


def explain_preparing(run: Run) -> dict[str, Any]:
    """{hit (None: not known yet), usual_seconds, changes, notes, python, as_of, build}"""
    version = run.environment_version
    if version is None:
        return {
            "hit": None,
            "usual_seconds": None,
            "changes": [],
            "notes": [],
            "python": "",
            "as_of": None,
            "build": None,
        }
    return {
        "hit": None if run.queued_at is None and run.build_id is None else run.build_id is None,
        "usual_seconds": environments.usual_seconds(version),
        "changes": list(run.build.changes) if run.build else [],
        "notes": version.notes,
        "python": version.python_version,
        "as_of": version.as_of,
        "build": run.build,
    }


def explain_scaling(run: Run) -> dict[str, Any]:
    """{target, position (1 is next), slots, busy}"""
    return compute.queue_place(run)


def _preparing(run: Run) -> str:
    if run.build_id is None:
        return "Its environment was in the cache." if run.queued_at else "Looking for its environment."
    if run.is_final and not run.queued_at:
        return "It ended before its environment was built."
    return "Its environment was built." if run.queued_at else "Its environment is being built."


def _scaling(run: Run) -> str:
    if run.started_at:
        return f"Taken by {run.node}."
    if run.status != RunStatus.QUEUED:
        return ""
    place = compute.queue_place(run)
    return f"Number {place['position']} in the queue of {place['target']}; {place['busy']} of {place['slots']} slots are busy."


def _running(run: Run) -> str:
    if run.finalizing_at is None:
        return "Cancel was requested." if run.cancel_requested_at else "The script runs."
    if run.exit_code is not None:
        return f"The script exited with code {run.exit_code}."
    return f"The script was ended by signal {run.exit_signal}." if run.exit_signal else "The script ended."


def _post_processing(run: Run) -> str:
    return "Outputs and logs were stored." if run.ended_at else "Outputs and logs are being stored."
