"""Golden requests asked of a replica that is ready, before callers reach it. Beside the supervisor's loop, in a thread."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import DatabaseError, connections
from django.db.models import Q, QuerySet
from django.utils import timezone

from mlportal.errors import PortalError
from mlportal.texts import storable
from models_registry.models import Deployment, GoldenReplay, GoldenRequest, Revision
from models_registry.services.golden import golden_of, save_golden
from models_registry.serving.answers import difference, told
from models_registry.serving.gateway.errors import GatewayError, ModelFailed
from models_registry.serving.gateway.formats import dumps, read_score
from models_registry.serving.gateway.script import answer_of
from models_registry.serving.gateway.tabular import payload_of
from models_registry.serving.worker import protocol
from models_registry.serving.worker.sockets import address_of

logger = logging.getLogger(__name__)
RECORDED = "recorded at the first deployment"
MOST_LOST = 5
RECORD_SECONDS = 5.0


class Lost(Exception):
    """The replica is gone, or about to be: whoever looks after its process says why."""


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    method: str
    passed: bool
    problem: str  # "answers [1, 2] instead of [0, 2]"
    seconds: float


class Replay(threading.Thread):
    """Asks all golden requests of the revision, within MLPORTAL_GOLDEN_TIMEOUT.

    At its end `refusal` says why the revision must not answer callers; it is empty when it may. `lost`: the replica was
    gone meanwhile, and nobody knows.
    """

    def __init__(self, revision: Revision, path: Path, describe: Mapping[str, Any]) -> None:
        super().__init__(name=f"golden-{revision.pk}", daemon=True)
        self.revision, self.path, self.describe = revision, path, describe
        self.refusal = ""
        self.lost = False
        self.start()

    def run(self) -> None:
        try:
            self._judge()
        except Lost:
            self.lost = True
        except DatabaseError as error:  # nobody knows what it owes: asked again
            logger.warning("The golden requests of %s could not be read: %s", self.revision, error)
            self.lost = True
        except Exception as error:  # the edge of the thread: nobody else would ever hear of it
            logger.exception("The golden requests of %s could not be asked.", self.revision)
            self.refusal = f"The golden requests could not be asked: {type(error).__name__}: {error}"
        finally:
            connections.close_all()

    def _judge(self) -> None:
        golden = golden_of(self.revision)
        if not golden:
            GoldenReplay.objects.filter(deployment__in=self._services(), refused=None).delete()
            self._record()
            return
        end = time.monotonic() + settings.GOLDEN_SECONDS
        results = [self._result(each, end) for each in golden]
        live = Deployment.objects.filter(live_revision=self.revision).exists()
        failed = [result for result in results if not result.passed]
        # What answers already and is only started again goes on: nothing of it was changed by anybody.
        if failed and not live and not self.revision.accept_changes:
            first, more = failed[0], len(failed) - 1
            others = f" {more} more of {len(results)} changed, too." if more else ""
            self.refusal = f"Golden request '{first.name}' {first.problem}.{others}"
        self._keep(results)

    def _result(self, golden: GoldenRequest, end: float) -> Result:
        began = time.monotonic()
        problem = ""
        try:
            got = ask(self.path, self.describe, golden.method, golden.request, end - began)
            first = difference(golden.answer, got, golden.rtol, golden.atol)
            problem = told(golden.answer, got, first) if first else ""
        except TimeoutError:
            problem = f"is not answered: all of them have {settings.GOLDEN_SECONDS} s (MLPORTAL_GOLDEN_TIMEOUT)"
        except GatewayError as error:
            problem = f"is answered with an error: {error.message[:500].rstrip('.')}"
        return Result(golden.name, golden.method, not problem, problem, round(time.monotonic() - began, 4))

    def _keep(self, results: list[Result]) -> None:
        said = {
            "label": str(self.revision),
            "refused": self.revision if self.refusal else None,
            "accepted": self.revision.accept_changes,
            "results": [storable(asdict(result)) for result in results],
            "at": timezone.now(),
        }
        services = self._services()
        if not self.refusal and Deployment.objects.filter(live_revision=self.revision).exists():
            services = services.filter(
                Q(golden_replay=None) | Q(golden_replay__refused=None)
            )  # a person has yet to decide
        for deployment in services:
            GoldenReplay.objects.update_or_create(deployment=deployment, defaults=said)

    def _services(self) -> QuerySet[Deployment]:
        of_this = Q(revision=self.revision) | Q(live_revision=self.revision) | Q(candidate=self.revision)
        return Deployment.objects.filter(of_this)

    def _record(self) -> None:
        """The first that is known of a version: what it answers to its own example, if it answers so twice."""
        versions, rows = self.revision.versions, self.describe.get("example")
        method = self.describe.get("default_method") or "predict"
        if not settings.GOLDEN_RECORD or self.revision.entry_script or len(versions) != 1 or not rows:
            return
        request = {"data": rows}
        try:
            answers = [ask(self.path, self.describe, method, request, RECORD_SECONDS) for _ in range(2)]
            if difference(answers[0], answers[1], 1e-6, 1e-9) is None:
                save_golden(versions[0], request, answers[0], method=method, name=RECORDED, is_recorded=True, by=None)
        except (TimeoutError, GatewayError, PortalError) as error:  # then it has none, as before
            logger.info("No golden request is recorded of %s: %s", versions[0], error)


class Gate:
    """Between a replica that is ready and its callers. Call `verdict` often; it never waits."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self._replay: Replay | None = None
        self._lost = 0

    def verdict(self, path: Path, describe: Mapping[str, Any] | None) -> str | None:
        """None while nobody knows; then "" for a replica that may answer, or why it must not."""
        if self._replay is None:
            self._replay = Replay(self.revision, path, describe or {})
        replay = self._replay
        if replay.is_alive():
            return None
        self._replay = None
        if replay.lost:
            self._lost += 1
            return None if self._lost < MOST_LOST else "The golden requests could not be asked: the replica hangs up."
        self._lost = 0
        return replay.refusal


def ask(path: Path, describe: Mapping[str, Any], method: str, request: Any, seconds: float) -> Any:
    """The JSON that a caller of the service would get. Raises GatewayError, TimeoutError, Lost."""
    if method == "run":
        headers = {"content-type": "application/json", "host": "localhost"}
        meta = {"method": "POST", "path": "/score", "query": "", "headers": headers}
        answer = answer_of(_call(path, method, protocol.Raw(meta, orjson.dumps(request)), seconds))
        if answer.status >= 400:
            raise ModelFailed(f"status {answer.status}, {answer.body[:200].decode('utf-8', 'replace')}")
        return _loaded(answer.body)
    call = read_score(orjson.dumps(request), is_csv=False)
    payload, _ = payload_of(call.table, describe, settings.SERVICE_ROWS)
    return _loaded(dumps(_call(path, method, payload, seconds)))


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def _call(path: Path, method: str, payload: Any, seconds: float) -> Any:
    end = time.monotonic() + seconds
    decoder = protocol.Decoder(settings.SERVICE_ANSWER_BYTES)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(_left(end))
            with address_of(path) as address:
                connection.connect(address)
            connection.sendall(protocol.encode(1, method, payload))
            while True:
                connection.settimeout(_left(end))
                data = connection.recv(1 << 18)
                if not data:
                    raise Lost
                if messages := decoder.feed(data):
                    break
        except TimeoutError:
            raise
        except OSError:
            raise Lost from None
        except protocol.ProtocolError as error:
            raise ModelFailed(f"its answer cannot be used: {error}") from None
    if messages[0].kind == protocol.ERROR:
        raise ModelFailed(messages[0].payload)
    return messages[0].payload


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
