"""Why a run took as long as it did: its four phases, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from experiments.models import EnvironmentBuild, Run
from experiments.services import building, compute, environments, finishing
from experiments.status import BuildStatus, Phase, RunStatus

LONG_WAIT = 2  # seconds; a free slot is taken sooner


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
    """{label, colour, told (a sentence), usual_seconds, changes, notes, python, as_of, build}"""
    label, colour, told = _way_of_environment(run)
    version, build = run.environment_version, run.build
    return {
        "label": label,
        "colour": colour,
        "told": told,
        "usual_seconds": version and environments.usual_seconds(version),
        "changes": list(build.changes) if build else [],
        "notes": version.notes if version else [],
        "python": version.python_version if version else "",
        "as_of": version.as_of if version else None,
        "build": build,
    }


def explain_scaling(run: Run) -> dict[str, Any]:
    """{target, position (1 is next), slots, busy}"""
    return compute.queue_place(run)


def _preparing(run: Run) -> str:
    if run.queued_at is None and run.build and run.build.status == BuildStatus.FAILED:
        return building.why_failed(run.build)
    return _way_of_environment(run)[2]


def _way_of_environment(run: Run) -> tuple[str, str, str]:
    """How the run came to its environment, or is coming to it: a label, its colour, a sentence."""
    build = run.build
    if run.queued_at is None:
        return _not_there_yet(run, build)
    # Its build may go on elsewhere, or have come to nothing, when the environment was found by another way.
    if build is None or build.seconds is None or build.ended_at is None or build.ended_at > run.queued_at:
        return "found in the cache", "green", "Its environment was there already, so nothing was built."
    if _joined(run, build):
        told = f"Its environment was being built on {_place(build)} already when the run came, which waited for that."
        return "waited for another's build", "azure", told
    return "built for this run", "azure", f"Its environment was built on {_place(build)}."


def _not_there_yet(run: Run, build: EnvironmentBuild | None) -> tuple[str, str, str]:
    status = build and build.status
    if build and status == BuildStatus.FAILED:
        return "failed", "red", f"Its environment could not be built on {_place(build)}."
    if run.is_final:
        if build and status == BuildStatus.CANCELED and run.failure:
            return "not finished", "secondary", building.why_failed(build)
        return "not finished", "secondary", "It ended before its environment was there."
    if build is None or status == BuildStatus.READY:
        return "not known yet", "secondary", "Looking for its environment."
    if status == BuildStatus.CANCELED:
        return "starts again", "yellow", f"Its environment is looked for again; the last build ended: {build.error}"
    if _joined(run, build):
        told = f"Its environment was being built on {_place(build)} already; the run waits for that."
        return "another's build", "azure", told
    return "being built", "azure", f"Its environment is being built on {_place(build)}."


def _joined(run: Run, build: EnvironmentBuild) -> bool:
    """Whether the build was under way when the run came: for another run, or because somebody asked for it."""
    return run.preparing_at is not None and build.created_at < run.preparing_at


def _place(build: EnvironmentBuild) -> str:
    return build.node or "one of the machines"


def _scaling(run: Run) -> str:
    if run.started_at and run.queued_at:
        waited = (run.started_at - run.queued_at).total_seconds()
        target = run.compute_target and run.compute_target.name
        return (
            f"Waited for a free slot of {target}; taken by {run.node}."
            if waited > LONG_WAIT
            else f"Taken by {run.node}."
        )
    if run.status != RunStatus.QUEUED:
        return ""
    place = compute.queue_place(run)
    words = f"Number {place['position']} in the queue of {place['target']}; {place['busy']} of {place['slots']} slots are busy."
    return " ".join([words, *(building.why_failed(build) for build in building.failures_on_target(run))])


def canceled_words(run: Run) -> str:
    """ "Canceled by olga."; empty for a run that was not."""
    end = next((event for event in run.events.all() if event.new == RunStatus.CANCELED), None)
    if end is None:
        return ""
    if end.reason == finishing.STOPPED:
        return "Ended when the portal was stopped."
    return f"Canceled by {end.actor}." if end.actor else "Canceled."


def _running(run: Run) -> str:
    if run.status == RunStatus.CANCELED:
        return canceled_words(run)
    if run.cancel_requested_at and not run.is_final:
        return "Cancel was requested."
    if run.is_client_side:
        return "Its client ended." if run.ended_at else "Its client runs it, outside of the portal."
    if run.finalizing_at is None:
        return "The script runs."
    if run.exit_code is not None:
        return f"The script exited with code {run.exit_code}."
    return f"The script was ended by signal {run.exit_signal}." if run.exit_signal else "The script ended."


def _post_processing(run: Run) -> str:
    if run.is_client_side:
        return "Nothing was left to be stored."
    return "Outputs and logs were stored." if run.ended_at else "Outputs and logs are being stored."
