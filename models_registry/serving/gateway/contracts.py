"""What the gateway needs from whoever runs it, and what it tells them. No Django here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Target:
    """One revision of a service that may answer, by any of its replicas.

    `describe` is what the model worker answered to "describe", or empty while that is not known: requests are then
    checked by the model alone. Who knows better rows for the documentation than the worker's puts them into
    `describe["example"]`. One that `has_script` is answered by a person's entry script: bodies go through as they are.

    `weight` is its share of the requests among the weights of all targets.
    """

    revision: str
    version: str
    replicas: Sequence[Path] = ()
    describe: Mapping[str, Any] = field(default_factory=dict)
    has_script: bool = False
    weight: int = 100


@dataclass(frozen=True, slots=True)
class Route:
    """A service as it is at this moment. The first of its `targets` is what it is made of: documents tell of that one.

    `authorize` is given the Authorization header (or None) and is asked only when `auth_enabled`.

    `shadow` gets a copy of `shadow_percent` of the requests that others of the targets answer.

    Requests wait for a first replica that `is_starting`, as long as for an answer. They do not wait where that is of no
    use: `closed` says why the service takes none, `elsewhere` names the machine that has its replicas. `trouble` is what
    is wrong with a replica just now, for a person.
    """

    deployment_id: str
    name: str
    targets: Sequence[Target]
    authorize: Callable[[str | None], bool]
    auth_enabled: bool = True
    workspace: str | None = None
    shadow: Target | None = None
    shadow_percent: float = 0.0
    is_starting: bool = False
    closed: str = ""
    elsewhere: str = ""
    trouble: str = ""
    sample: float = 0.0
    """The share of the requests whose rows and answers are handed to `Recorder.sample`."""

    @property
    def main(self) -> Target:
        return self.targets[0]

    def target_of(self, revision: str) -> Target | None:
        return next((target for target in self.targets if target.revision == revision), None)


class Routes(Protocol):
    """Finds services. Asked on every request and again on a retry, from the event loop: it must answer from memory."""

    def lookup(self, name: str) -> Route | None: ...


class RequestRecord(NamedTuple):
    """One scoring request, for the log of the service. `asked` and `answered` are the cut begin of both bodies."""

    id: str
    deployment_id: str
    version: str
    time: float
    method: str
    status: int
    latency_ms: float
    rows: int | None
    asked: bytes
    answered: bytes
    error: str | None

    @property
    def request(self) -> str:
        return self.asked.decode("utf-8", "replace")

    @property
    def response(self) -> str:
        return self.answered.decode("utf-8", "replace")


class Recorder(Protocol):
    """Takes records and measurements. Called from the event loop: it must put them aside at once, never wait."""

    def record(self, record: RequestRecord) -> None:
        """What was asked and answered, for the log of the service."""

    def measure(self, route: Route, target: Target, status: int, seconds: float, rows: int, waiting: int) -> None:
        """Once for each scoring request, those without the key, too. `waiting`: requests of the service that are inside
        of the gateway with it; of one that was refused before it was understood, `rows` is 0."""

    def measure_batch(self, route: Route, target: Target, requests: int, rows: int, seconds: float) -> None:
        """Once for each answer of a model worker: how many requests it answers, and how long it took."""

    def sample(self, route: Route, target: Target, request: str, method: str, payload: Any, result: Any) -> None:
        """Rows as the model took them and what it answered, of a share of the requests; nobody changes either any more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the gateway; each is named in the error that it causes, with the portal's setting."""

    body_bytes: int = 16 << 20
    body_seconds: float = 30
    rows: int = 100_000
    answer_bytes: int = 256 << 20
    deadline_seconds: float = 30
    waiting: int = 256  # requests of one service that wait or are being answered
    waiting_bytes: int = 256 << 20  # of their bodies, of all services together
    batch_rows: int = 1024  # of requests that become one call of a model; 1: none do
    replica_seconds: float = 10  # how long a request waits for a replica to (re)appear
    excerpt_bytes: int = 2048
