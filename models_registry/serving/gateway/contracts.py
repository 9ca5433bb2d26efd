"""What the gateway needs from whoever runs it, and what it tells them. No Django here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Route:
    """A service as it is at this moment.

    `authorize` is given the Authorization header (or None) and is asked only when `auth_enabled`. `describe` is what
    the model worker answered to "describe", or empty while that is not known: requests are then checked by the model
    alone. A caller that knows better rows for the documentation than the worker's puts them into `describe["example"]`.

    Requests wait for a first replica that `is_starting`, as long as for an answer. They do not wait where that is of no
    use: `closed` says why the service takes none, `elsewhere` names the machine that has its replicas.

    A service that `has_script` is answered by a person's entry script: bodies go through as they are.
    """

    deployment_id: str
    name: str
    version: str
    replicas: Sequence[Path]
    authorize: Callable[[str | None], bool]
    describe: Mapping[str, Any] = field(default_factory=dict)
    auth_enabled: bool = True
    workspace: str | None = None
    has_script: bool = False
    is_starting: bool = False
    closed: str = ""
    elsewhere: str = ""


class Routes(Protocol):
    """Finds services. Asked on every request and again on a retry, from the event loop: it must answer from memory."""

    def lookup(self, workspace: str | None, name: str) -> Route | None: ...


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One scoring request, for the log of the service. Excerpts are cut, and replace what is not UTF-8."""

    id: str
    deployment_id: str
    time: float
    method: str
    status: int
    latency_ms: float
    rows: int | None
    request: str
    response: str
    error: str | None


class Recorder(Protocol):
    """Takes records. Called from the event loop: it must put them aside at once, never wait."""

    def record(self, record: RequestRecord) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the gateway; each is named in the error that it causes, with the portal's setting."""

    body_bytes: int = 16 << 20
    body_seconds: float = 30
    rows: int = 100_000
    answer_bytes: int = 256 << 20
    deadline_seconds: float = 30
    waiting: int = 256  # requests of one service that wait or are being answered
    connections: int = 4  # to each replica: the model takes one call at a time
    replica_seconds: float = 3  # how long a request waits for a replica to (re)appear
    excerpt_bytes: int = 2048
