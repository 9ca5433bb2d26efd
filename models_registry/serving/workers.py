"""One revision's model worker, kept alive: get ready, start, watch, start again after a pause, give up."""

from __future__ import annotations

import enum
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from mlportal.node import node_name
from mlportal.uid import new_uid
from models_registry.models import Revision
from models_registry.serving.confinement import Confinement, confine
from models_registry.serving.golden import Gate
from models_registry.serving.materials import Materials, Preparation
from models_registry.serving.replica import Backoff, Limits, Replica, State
from models_registry.serving.worker.protocol import DEFAULT_MAX_BODY
from models_registry.status import ReplicaState

EXIT_NOT_LOADED = 3  # of worker/start.py: the same file in the same environment fails the same way again
NOT_LOADED = re.compile("the model cannot be loaded:|the entry script cannot be used:")
POLL_SECONDS = 0.5  # of a replica that is well
FACTS_SECONDS = 1.0
CALL_GRACE_SECONDS = 5.0  # callers have had their 504 when a call that does not come back is ended


class Phase(enum.Enum):
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    GIVEN_UP = "given up"


STATES = {
    Phase.PREPARING: ReplicaState.PREPARING,
    Phase.STARTING: ReplicaState.STARTING,
    Phase.READY: ReplicaState.READY,
    Phase.WAITING: ReplicaState.WAITING,
    Phase.GIVEN_UP: ReplicaState.FAILED,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What its row says of a worker, beside its state."""

    node: str = ""
    pid: int | None = None
    socket: str = ""
    started_at: datetime | None = None
    memory_bytes: int | None = None
    restarts: int = 0
    limits: dict[str, Any] | None = None
    problem: str = ""
    log: str = ""


@dataclass
class Worker:
    """Call `tick` often, from the thread that made it: the process ends with that thread."""

    revision: Revision
    log_path: Path
    scratch: Path
    next_socket: Callable[[], Path]
    backoff: Backoff
    number: int = 1  # among the replicas of its revision

    phase: Phase = field(default=Phase.PREPARING, init=False)
    problem: str = field(default="", init=False)  # why it is not ready, when it ought to be
    problem_log: str = field(default="", init=False)
    replica: Replica | None = field(default=None, init=False)
    restarts: int = field(default=0, init=False)
    started_at: datetime | None = field(default=None, init=False)
    _preparation: Preparation | None = field(default=None, init=False)
    _resume_at: float = field(default=0.0, init=False)
    _pause: float = field(default=0.0, init=False)  # before the last try to get everything ready
    _poll_at: float = field(default=0.0, init=False)
    _silent_since: float | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)
    _facts: Facts = field(default_factory=Facts, init=False)
    _facts_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.log_path.unlink(missing_ok=True)
        self._preparation = Preparation(self.revision)
        self._gate = Gate(self.revision)

    @property
    def answers(self) -> bool:
        return self.phase is Phase.READY

    @property
    def is_silent(self) -> bool:
        return self._silent_since is not None

    @property
    def state(self) -> ReplicaState:
        if self._stopping and self.phase is not Phase.GIVEN_UP:
            return ReplicaState.LEAVING
        return ReplicaState.SILENT if self.answers and self.is_silent else STATES[self.phase]

    @property
    def has_ended(self) -> bool:
        return self.replica is None or self.replica.poll() is State.EXITED

    @property
    def socket(self) -> str:
        return str(self.replica.socket_path) if self.replica and self.answers else ""

    @property
    def signature(self) -> dict[str, Any] | None:
        return self.replica.describe if self.replica else None

    def tick(self) -> None:
        now = time.monotonic()
        if self.phase is Phase.WAITING and now >= self._resume_at:
            self.phase, self._preparation = Phase.PREPARING, Preparation(self.revision)
        elif self.phase is Phase.PREPARING:
            self._go_on_preparing()
        elif self.replica and (self.phase is Phase.STARTING or (self.phase is Phase.READY and now >= self._poll_at)):
            self._poll_at = now + POLL_SECONDS
            self._look_at(self.replica, now)
        elif self.replica and self.phase is Phase.GIVEN_UP:
            self.replica.poll()  # it may be ending

    def stop(self, drain_seconds: float) -> None:
        """Answer what has come and end. Asking again does not lengthen the time for that."""
        if self.replica and not self._stopping:
            self._stopping = True
            self.replica.stop(drain_seconds)

    def facts(self) -> Facts:
        """Read anew every second, and when it enters another phase."""
        now = time.monotonic()
        if now >= self._facts_at:
            self._facts_at = now + FACTS_SECONDS
            replica = self.replica
            alive = replica if self.phase in (Phase.STARTING, Phase.READY) else None
            self._facts = Facts(
                node=node_name(),
                pid=alive.pid if alive else None,
                socket=self.socket,
                started_at=self.started_at if alive else None,
                memory_bytes=alive.peak_memory_bytes if alive else None,
                restarts=self.restarts,
                limits=alive.confinement.told() if alive else None,
                problem=self.problem,
                log=self.problem_log or (replica.tail_log() if replica else ""),
            )
        return self._facts

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._facts_at = 0.0

    def _go_on_preparing(self) -> None:
        preparation = self._preparation
        if preparation is None or preparation.is_alive():
            return
        self._preparation = None
        if preparation.problem is not None:
            self._give_up(str(preparation.problem), preparation.problem.log)
            return
        if preparation.materials is None:
            self._try_again(preparation.trouble)
            return
        materials = preparation.materials
        served = None if materials.code else self.revision.versions[0]
        try:
            self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.replica = Replica(
                python=materials.python,
                model_path=materials.load,
                socket_path=self.next_socket(),
                log_path=self.log_path,
                environment=self._environment(materials),
                limits=self._limits(),
                confinement=self._confinement(),
                framework=served.framework if served else "",
                framework_version=served.framework_version or None if served else None,
                script_folder=materials.code,
                modules=materials.modules,
            )
            self.replica.start()
        except OSError as error:
            self._try_again(f"the model worker could not be started: {error}")
            return
        self._pause = 0.0
        self.started_at = datetime.now(UTC)
        self._silent_since = None
        self._enter(Phase.STARTING)

    def _look_at(self, replica: Replica, now: float) -> None:
        state = replica.poll()
        if state is State.EXITED:
            self._after_its_end(replica)
        elif state is State.READY:
            self._silent_since = None
            if self.phase is not Phase.READY:
                self._let_in(replica)
        elif state is State.UNRESPONSIVE:
            self._silent_since = self._silent_since or now
            if now - self._silent_since > replica.limits.health_seconds:
                replica.abort()  # its end is then seen like any other

    def _let_in(self, replica: Replica) -> None:
        refusal = self._gate.verdict(replica.socket_path, replica.describe)
        if refusal:
            self.stop(0)
            self._give_up(refusal, replica.tail_log())
        elif refusal is not None:
            self.problem = ""
            self._enter(Phase.READY)

    def _after_its_end(self, replica: Replica) -> None:
        assert replica.exit is not None
        reason = "it did not answer; its log says where it was" if self.is_silent else replica.exit.reason
        if replica.exit.code == EXIT_NOT_LOADED and NOT_LOADED.search(reason):  # a model may end its process so, too
            self._give_up(_sentence(reason), replica.tail_log())
            return
        pause = self.backoff.failed(replica.exit.lived_seconds)
        if pause is None:
            times = self.backoff.failures
            self._give_up(_sentence(f"the model worker ended {times} times, at last: {reason}"), replica.tail_log())
            return
        self.restarts += 1
        self.problem = _sentence(f"the model worker ended: {reason}") + _again_in(pause)
        self._resume_at = time.monotonic() + pause
        self._enter(Phase.WAITING)

    def _try_again(self, trouble: str) -> None:
        """After a pause, as often as it takes: the fault is not the model's, and does not count among its failures."""
        self._pause = min(max(self.backoff.first, 2 * self._pause), self.backoff.longest)
        self.problem = _sentence(trouble) + f" It is tried again in {self._pause:g} s."
        self._resume_at = time.monotonic() + self._pause
        self._enter(Phase.WAITING)

    def _give_up(self, problem: str, log: str) -> None:
        self.problem, self.problem_log = problem, log
        self._enter(Phase.GIVEN_UP)

    def _limits(self) -> Limits:
        memory = self.revision.gigabytes
        return Limits(
            memory_bytes=int(memory * 1e9) if memory else settings.SERVICE_MEMORY_BYTES,
            # A body grows on its way: an empty cell of CSV, one byte, becomes a number of eight.
            request_bytes=max(DEFAULT_MAX_BODY, 8 * settings.SERVICE_BODY_BYTES),
            start_seconds=settings.SERVICE_START_SECONDS,
            call_seconds=settings.SERVICE_SECONDS + CALL_GRACE_SECONDS,
        )

    def _confinement(self) -> Confinement:
        said = [version.cpu for version in self.revision.versions if version.cpu]
        cores = self.revision.cores if self.revision.cpu or said else None
        return confine(new_uid(), self._limits().memory_bytes, cores)

    def _environment(self, materials: Materials) -> dict[str, str]:
        """All that it gets: nothing of the portal's own environment."""
        threads = str(max(1, round(self.revision.cores)))
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
        script = {
            "PYTHONPATH": str(settings.SDK_DIR),
            "AZUREML_ENTRY_SCRIPT": self.revision.entry_script,
            "AZUREML_MODEL_DIR": str(materials.models),
            "AML_APP_ROOT": str(materials.code),
        }
        return {
            **dict.fromkeys(pools, threads),
            **self.revision.environment_variables,
            "PATH": os.pathsep.join([str(materials.python.parent), "/usr/bin", "/bin"]),
            "HOME": str(self.scratch),
            "TMPDIR": str(self.scratch),
            "LANG": "C.UTF-8",
            **(script if materials.code else {}),
        }


def _again_in(pause: float) -> str:
    return f" It starts again in {pause:g} s." if pause else " It starts again now."


def _sentence(text: str) -> str:
    """The reason as people read it: the log's last line has the time before it."""
    text = re.sub(rf"exit code {EXIT_NOT_LOADED}: \d{{4}}-\S+Z (?={NOT_LOADED.pattern})", "", text)
    text = re.sub(r"\d{4}-\S+Z ", "", text).strip()
    return text[:1].upper() + text[1:].rstrip(".") + "."
