"""Shapes of the files that the worker and the runner exchange (see `layout` for their names)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict


class Limits(TypedDict, total=False):
    """Limits of one run; None or absent means unlimited."""

    wall_seconds: float | None
    log_bytes: int | None
    output_bytes: int | None  # of each file (RLIMIT_FSIZE), and of outputs/ altogether
    memory_bytes: int | None  # of address space (RLIMIT_AS)
    open_files: int | None
    grace_seconds: float  # between SIGTERM and SIGKILL; 10 when absent


class Spec(TypedDict):
    """spec.json: what to run. `environment` is the script's complete environment."""

    run_uid: str
    argv: list[str]
    environment: dict[str, str]
    limits: Limits


class ExitRecord(TypedDict):
    """exit.json: how it ended.

    reason: exited, signaled, canceled, wall_time, output_limit, out_of_memory, disk_full, log_failed, start_failed,
    runner_killed (one of the runner's two processes was killed; the other one ended the script and wrote this),
    runner_error (a defect of the runner; `message` has it).
    """

    exit_code: int | None
    signal: int | None
    reason: str
    started: float  # epoch seconds
    ended: float
    seconds: float  # by the monotonic clock
    peak_memory_bytes: int  # of the largest process
    cpu_seconds: float
    log_cut_bytes: int
    message: str


@dataclass(frozen=True, slots=True)
class Exit:
    """exit.json as read back; fields as in `ExitRecord`."""

    exit_code: int | None
    signal: int | None
    reason: str
    started: float
    ended: float
    seconds: float
    peak_memory_bytes: int
    cpu_seconds: float
    log_cut_bytes: int
    message: str

    @property
    def succeeded(self) -> bool:
        """The script ended by itself with exit code 0 and within its limits."""
        return self.reason == "exited" and self.exit_code == 0
