"""The replicas of one revision: as many as are wanted, and what they are together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from models_registry.models import Revision
from models_registry.serving.workers import Phase, Worker


@dataclass
class Fleet:
    revision: Revision
    make: Callable[[Revision, int], Worker]

    count: int = field(default=0, init=False)
    workers: dict[int, Worker] = field(default_factory=dict, init=False)  # by number

    def resize(self, count: int, taken: set[int]) -> list[Worker]:
        """Have `count` workers, whose numbers are not among those `taken`. Returns those that are to leave."""
        self.count = count
        leaving = []
        while len(self.workers) > count:
            number = min(self.workers, key=lambda each: (_use_of(self.workers[each]), -each))
            leaving.append(self.workers.pop(number))
        number = 0
        while len(self.workers) < count:
            number += 1
            if number not in self.workers and number not in taken:
                self.workers[number] = self.make(self.revision, number)
        return leaving

    @property
    def answering(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.answers and not worker.is_silent]

    @property
    def is_whole(self) -> bool:
        return bool(self.count) and len(self.answering) >= self.count

    @property
    def has_given_up(self) -> bool:
        return any(worker.phase is Phase.GIVEN_UP for worker in self.workers.values())

    @property
    def is_lost(self) -> bool:
        return bool(self.workers) and all(worker.phase is Phase.GIVEN_UP for worker in self.workers.values())

    @property
    def signature(self) -> dict[str, Any] | None:
        return next((worker.signature for worker in self.answering), None)

    @property
    def problem(self) -> str:
        """Why one of them does not answer though it ought to, and what that means for callers; or empty."""
        worker = self._worst
        problem = worker.problem or (f"{self.revision} does not answer." if worker.is_silent else "")
        if not problem or self.count == 1:
            return problem
        left = len(self.answering)
        return f"Replica {worker.number} of {self.count}: {problem} {left or 'None'} of the {self.count} answer{'s'[: left == 1]}."

    @property
    def log(self) -> str:
        """The last lines of the one that is worst off."""
        return self._worst.facts().log

    @property
    def _worst(self) -> Worker:
        return min(self.workers.values(), key=lambda worker: (_use_of(worker), worker.number))


def _use_of(worker: Worker) -> int:
    if worker.phase is Phase.GIVEN_UP:
        return 0
    if worker.problem:
        return 1
    if worker.is_silent:
        return 2
    return 4 if worker.answers else 3
