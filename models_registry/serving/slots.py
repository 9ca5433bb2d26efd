"""One deployment's workers: those of the revision that is wanted, of the one that still answers, and those that leave."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from models_registry.models import Deployment, Revision
from models_registry.services.standby import NO_STANDBY, standby_fields
from models_registry.serving.fleets import Fleet
from models_registry.serving.replica import Backoff
from models_registry.serving.scaling import Scaler
from models_registry.serving.workers import Phase, Worker
from models_registry.status import DeploymentStatus, ReplicaState

S = DeploymentStatus
# For this long after a switch requests still come to the old worker: gateways look for a new address every second.
LEAVE_SECONDS = 2.0
Plan = dict[int, tuple[Revision, int]]
Key = tuple[int, int]


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

    fleets: dict[int, Fleet] = field(default_factory=dict)  # by revision
    leaving: list[tuple[float, Worker]] = field(default_factory=list)
    scaler: Scaler = field(init=False)
    # The rows of its replicas, as they are: their keys in the table, and what they say.
    written: dict[Key, tuple[int | None, dict[str, Any]]] = field(default_factory=dict, init=False)
    _stands_in: bool = field(default=False, init=False)  # the second version, for all others

    def __post_init__(self) -> None:
        self.scaler = Scaler(self.deployment.desired_replicas)

    @property
    def is_empty(self) -> bool:
        return not self.fleets and not self.leaving

    @property
    def is_under_way(self) -> bool:
        workers = [worker for fleet in self.fleets.values() for worker in fleet.workers.values()]
        return any(worker.phase in (Phase.PREPARING, Phase.STARTING) for worker in workers)

    def revisions(self) -> set[int]:
        return set(self.fleets) | {worker.revision.pk for _, worker in self.leaving}

    def tick(self, *, closing: bool = False, load: float = 0.0) -> Report | None:
        """Make the workers what the deployment's row asks for; what to write into the row.

        `load` is how many requests it had at once lately. `closing` ends all workers, at once: there is no switch whose
        callers would need time.
        """
        row = self.deployment
        wanted = row.wanted and row.status not in (S.STOPPED, S.FAILED) and not closing
        self.scaler.look(row, load, time.monotonic())
        self._arrange(self._plan() if wanted else {})
        self._see_off(closing)
        for fleet in self.fleets.values():
            for worker in fleet.workers.values():
                worker.tick()
        return self._report() if wanted else None

    def replicas(self) -> dict[Key, dict[str, Any]]:
        """{(revision, number): what the row of that replica ought to say}."""
        staying = [worker for fleet in self.fleets.values() for worker in fleet.workers.values()]
        rows = {
            (worker.revision.pk, worker.number): {"state": ReplicaState.LEAVING, **asdict(worker.facts())}
            for _, worker in self.leaving
        }
        return rows | {
            (worker.revision.pk, worker.number): {"state": worker.state, **asdict(worker.facts())} for worker in staying
        }

    def _plan(self) -> Plan:
        row, many = self.deployment, self.scaler.desired
        plan: Plan = {}

        def have(revision: Revision | None, count: int) -> None:
            if revision is not None:
                plan.setdefault(revision.pk, (revision, count))

        new = self.fleets.get(row.revision_id)
        if row.live_revision is None or row.live_revision_id == row.revision_id or settings.SERVICE_SURGE:
            have(row.revision, many)
            have(row.live_revision, many)
        else:  # one more than usual: each that is ready has an old one leave
            ready = len(new.answering) if new else 0
            have(row.revision, min(ready + 1, many))
            have(row.live_revision, max(many - ready, 1))
        have(row.candidate, many if self._stands_in else max(1, -(-many * row.candidate_percent // 100)))
        if row.standby_id in self.fleets:  # nobody starts it anew
            have(row.standby, self.fleets[row.standby_id].count)
        return plan

    def _arrange(self, plan: Plan) -> None:
        leave_at = time.monotonic() + LEAVE_SECONDS
        for pk in self.fleets.keys() - plan.keys():
            self.leaving += [(leave_at, worker) for worker in self.fleets.pop(pk).workers.values()]
        for pk, (revision, count) in plan.items():
            fleet = self.fleets.setdefault(pk, Fleet(revision, self._make))
            taken = {worker.number for _, worker in self.leaving if worker.revision.pk == pk}
            self.leaving += [(leave_at, worker) for worker in fleet.resize(count, taken)]

    def _make(self, revision: Revision, number: int) -> Worker:
        name = f"{self.deployment.uid}-{revision.pk}-{number}"
        log = self.folder / "logs" / f"{name}.log"
        scratch = self.folder / "scratch" / self.deployment.uid
        return Worker(revision, log, scratch, self.next_socket, self.new_backoff(), number)

    def _see_off(self, closing: bool) -> None:
        self.leaving = [(leave_at, worker) for leave_at, worker in self.leaving if not worker.has_ended]
        for leave_at, worker in self.leaving:
            if closing or time.monotonic() >= leave_at:
                worker.stop(self.drain_seconds)

    def _report(self) -> Report:
        row = self.deployment
        new = self.fleets[row.revision_id]
        old = self.fleets[row.live_revision_id] if row.live_revision_id not in (None, row.revision_id) else None
        self._stands_in = False
        report = self._steady(new) if old is None else self._updating(new, old)
        report.fields.update(desired_replicas=self.scaler.desired, scaling=self.scaler.reason)
        if row.standby_id is not None and "standby" not in report.fields:
            fleet = self.fleets.get(row.standby_id)
            over = row.standby_until is None or row.standby_until <= timezone.now()
            if over or fleet is None or not fleet.answering:
                report.fields.update(NO_STANDBY)
        return report

    def _steady(self, new: Fleet) -> Report:
        row = self.deployment
        if new.is_lost:
            return self._lost(new)
        fields: dict[str, Any] = {"live_revision": new.revision} if new.answering else {}
        problem = new.problem
        if problem:
            return Report(S.UNHEALTHY, problem, {**fields, "log": new.log, "failure": problem})
        if not new.answering or (row.status == S.TRANSITIONING and not new.is_whole):
            return Report(S.TRANSITIONING, f"{new.revision} is being started", {**fields, "log": new.log})
        if row.status != S.HEALTHY:
            fields["failure"] = ""
        if row.status != S.HEALTHY or not row.failure:  # a failed redeploy left its log to be read
            fields["log"] = new.log
        return Report(S.HEALTHY, f"{new.revision} answers", fields)

    def _updating(self, new: Fleet, old: Fleet) -> Report:
        if new.is_whole and new.count >= self.scaler.desired:  # one after the other: it grows until then
            fields = {
                "live_revision": new.revision,
                "failure": "",
                "log": new.log,
                **standby_fields(old.revision if old.answering else None),
            }
            return Report(S.HEALTHY, f"{new.revision} answers", fields)
        problem = new.problem
        if new.has_given_up:
            return self._lost(new) if old.is_lost else self._back_to(old, new)
        if problem and not old.answering:
            return Report(S.UNHEALTHY, problem, {"log": new.log, "failure": problem})
        return Report(S.TRANSITIONING, f"{new.revision} is being started", {"log": new.log})

    def _back_to(self, old: Fleet, new: Fleet) -> Report:
        what = "was not made live" if "Golden request" in new.problem else "could not be started"
        message = f"{new.revision} {what}, so {old.revision} goes on answering. {new.problem}"
        fields = {"revision": old.revision, "failure": message, "log": new.log}
        return Report(S.HEALTHY if old.answering else S.UNHEALTHY, message, fields)

    def _lost(self, new: Fleet) -> Report:
        """Of what was wanted nothing will answer again by itself. A second version with a share of the requests takes them
        all; one that gets copies alone does not: nobody has said yet that its answers are good for callers."""
        second = self._second
        self._stands_in = second is not None and not second.is_lost
        if second is None or second.is_lost:
            problem = (
                f"{new.problem} {second.revision}, the second version: {second.problem}" if second else new.problem
            )
            fields = {"live_revision": None, "failure": problem, "log": new.log, **NO_STANDBY}
            return Report(S.FAILED, problem, fields)
        does = "answers every request meanwhile" if second.answering else "shall answer meanwhile, and is being started"
        problem = f"{new.revision} is given up: {new.problem} {second.revision}, the second version, {does}."
        return Report(S.UNHEALTHY, problem, {"failure": problem, "log": new.log})

    @property
    def _second(self) -> Fleet | None:
        row = self.deployment
        return self.fleets.get(row.candidate_id) if row.candidate_id and row.candidate_percent else None
