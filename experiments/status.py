"""The statuses of a run and of an environment's build, and the tables of legal moves: nothing else decides what may follow what."""

from collections.abc import Mapping
from enum import StrEnum

from django.db import models


class RunStatus(models.TextChoices):
    """Azure's names. `Starting`, `CancelRequested` and `NotResponding` are told to clients, never stored."""

    NOT_STARTED = "NotStarted", "Not started"
    PREPARING = "Preparing", "Preparing"
    QUEUED = "Queued", "Queued"
    RUNNING = "Running", "Running"
    FINALIZING = "Finalizing", "Finalizing"
    COMPLETED = "Completed", "Completed"
    FAILED = "Failed", "Failed"
    CANCELED = "Canceled", "Canceled"


R = RunStatus
RUN_MOVES: Mapping[RunStatus, frozenset[RunStatus]] = {
    R.NOT_STARTED: frozenset({R.PREPARING, R.FAILED, R.CANCELED}),
    R.PREPARING: frozenset({R.QUEUED, R.FAILED, R.CANCELED}),
    R.QUEUED: frozenset({R.RUNNING, R.FAILED, R.CANCELED}),
    R.RUNNING: frozenset({R.FINALIZING, R.FAILED, R.CANCELED}),
    R.FINALIZING: frozenset({R.COMPLETED, R.FAILED, R.CANCELED}),
}
RUN_FINAL = frozenset(RunStatus) - RUN_MOVES.keys()
RUN_ACTIVE = frozenset(RUN_MOVES)
RUN_OWNED = frozenset({R.RUNNING, R.FINALIZING})  # a worker holds a lease on it

RUN_COLOURS: Mapping[RunStatus, str] = {
    R.NOT_STARTED: "secondary",
    R.PREPARING: "azure",
    R.QUEUED: "yellow",
    R.RUNNING: "blue",
    R.FINALIZING: "cyan",
    R.COMPLETED: "green",
    R.FAILED: "red",
    R.CANCELED: "secondary",
}

# The column that remembers when a run got there; the phases are read from these columns.
RUN_MOMENTS: Mapping[RunStatus, str] = {
    R.PREPARING: "preparing_at",
    R.QUEUED: "queued_at",
    R.RUNNING: "started_at",
    R.FINALIZING: "finalizing_at",
    R.COMPLETED: "ended_at",
    R.FAILED: "ended_at",
    R.CANCELED: "ended_at",
}


class Phase(StrEnum):
    """What a person sees of a run's way."""

    PREPARING = "Preparing"
    SCALING = "Scaling"
    RUNNING = "Running"
    POST_PROCESSING = "Post-processing"


class BuildStatus(models.TextChoices):
    WAITING = "Waiting", "Waiting"
    RESOLVING = "Resolving", "Resolving"
    BUILDING = "Building", "Building"
    READY = "Ready", "Ready"
    FAILED = "Failed", "Failed"
    CANCELED = "Canceled", "Canceled"


B = BuildStatus
BUILD_MOVES: Mapping[BuildStatus, frozenset[BuildStatus]] = {
    B.WAITING: frozenset({B.RESOLVING, B.FAILED, B.CANCELED}),
    B.RESOLVING: frozenset({B.BUILDING, B.FAILED, B.CANCELED}),
    B.BUILDING: frozenset({B.READY, B.FAILED, B.CANCELED}),
}
BUILD_FINAL = frozenset(BuildStatus) - BUILD_MOVES.keys()
BUILD_COLOURS: Mapping[BuildStatus, str] = {
    B.WAITING: "secondary",
    B.RESOLVING: "azure",
    B.BUILDING: "blue",
    B.READY: "green",
    B.FAILED: "red",
    B.CANCELED: "secondary",
}
