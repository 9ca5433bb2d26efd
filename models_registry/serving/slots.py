"""One deployment's workers: the revision that is wanted, beside it the one that still answers, and those that leave."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models_registry.models import Deployment, Revision
from models_registry.serving.replica import Backoff
from models_registry.serving.workers import Phase, Worker
from models_registry.status import DeploymentStatus

S = DeploymentStatus
# For this long after a switch requests still come to the old worker: gateways look for a new address every second.
LEAVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """How a deployment's row ought to be by what its workers are."""

    status: DeploymentStatus
    reason: str
    fields: dict[str, Any]


@dataclass
class Slot:
    deployment: Deployment
    folder: Path
    next_socket: Callable[[], Path]
    new_backoff: Callable[[], Backoff]
    drain_seconds: float

    workers: dict[int, Worker] = field(default_factory=dict)  # by revision
    leaving: list[tuple[float, Worker]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.workers and not self.leaving

    def revisions(self) -> set[int]:
        return set(self.workers) | {worker.revision.pk for _, worker in self.leaving}

    def tick(self, *, closing: bool = False) -> Report | None:
        """Make the workers what the deployment's row asks for; what to write into the row.

        `closing` ends them all, at once: there is no switch whose callers would need time.
        """
        row = self.deployment
        wanted = row.wanted and row.status not in (S.STOPPED, S.FAILED) and not closing
        self._arrange([row.revision, row.live_revision] if wanted else [])
        self._see_off(closing)
        for worker in self.workers.values():
            worker.tick()
        return self._report() if wanted else None

    def _arrange(self, wanted: list[Revision | None]) -> None:
        revisions = {revision.pk: revision for revision in wanted if revision is not None}
        for pk in self.workers.keys() - revisions.keys():
            self.leaving.append((time.monotonic() + LEAVE_SECONDS, self.workers.pop(pk)))
        for pk, revision in revisions.items():
            if pk not in self.workers:
                log = self.folder / "logs" / f"{self.deployment.uid}-{pk}.log"
                scratch = self.folder / "scratch" / self.deployment.uid
                self.workers[pk] = Worker(revision, log, scratch, self.next_socket, self.new_backoff())

    def _see_off(self, closing: bool) -> None:
        self.leaving = [(leave_at, worker) for leave_at, worker in self.leaving if not worker.has_ended]
        for leave_at, worker in self.leaving:
            if closing or time.monotonic() >= leave_at:
                worker.stop(self.drain_seconds)

    def _report(self) -> Report:
        row = self.deployment
        new = self.workers[row.revision_id]
        live = row.live_revision_id
        old = self.workers.get(live) if live is not None and live != row.revision_id else None
        if new.answers:
            return self._healthy(new)
        if new.phase is Phase.GIVEN_UP:
            if old is not None and old.phase is not Phase.GIVEN_UP:
                return self._back_to(old, new)
            return self._failed(new)
        serving = old if old is not None and old.answers else None
        facts, log = new.facts()
        fields = {"socket": serving.socket if serving else "", "replica": facts, "log": log}
        if new.problem and serving is None:
            return Report(S.UNHEALTHY, new.problem, {**fields, "failure": new.problem})
        return Report(S.TRANSITIONING, f"{new.revision} is being started", fields)

    def _healthy(self, new: Worker) -> Report:
        row = self.deployment
        facts, log = new.facts()
        fields = {"socket": new.socket, "live_revision": new.revision, "signature": new.signature, "replica": facts}
        if new.is_silent:
            silent = f"{new.revision} does not answer"
            return Report(S.UNHEALTHY, silent, {**fields, "log": log, "failure": silent + "."})
        if row.status != S.HEALTHY:
            fields["failure"] = ""
        if row.status != S.HEALTHY or not row.failure:  # a failed redeploy left its log to be read
            fields["log"] = log
        return Report(S.HEALTHY, f"{new.revision} answers", fields)

    def _back_to(self, old: Worker, new: Worker) -> Report:
        _, log = new.facts()
        message = f"{new.revision} could not be started, so {old.revision} goes on answering. {new.problem}"
        fields = {"revision": old.revision, "failure": message, "log": log, "socket": old.socket}
        return Report(S.HEALTHY if old.answers else S.UNHEALTHY, message, fields)

    def _failed(self, new: Worker) -> Report:
        facts, log = new.facts()
        fields = {"socket": "", "live_revision": None, "failure": new.problem, "log": log, "replica": facts}
        return Report(S.FAILED, new.problem, fields)
