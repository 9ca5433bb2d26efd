"""Copies of requests for a second version: its answers reach nobody, they are compared, and no caller waits for them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from models_registry.serving.answers import difference, told
from models_registry.serving.gateway import errors
from models_registry.serving.gateway.contracts import Limits, Route, Routes, Target
from models_registry.serving.gateway.dispatcher import Dispatcher, reads_otherwise
from models_registry.serving.gateway.formats import dumps
from models_registry.serving.worker.protocol import Raw

logger = logging.getLogger(__name__)
WAITING = 16  # copies of a service's requests on their way; more are dropped
RTOL, ATOL = 1e-5, 1e-8
QUICK_BYTES = 20_000
COMPARED_BYTES = 1 << 20  # of an answer; larger ones are the same or not, byte by byte

Outcome = Literal["same", "different", "failed", "dropped"]


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What became of a copy. Excerpts are empty where the answers were the same."""

    deployment_id: str
    revision: str  # of the second version
    version: str  # whose answer the caller got
    candidate: str
    time: float
    method: str
    outcome: Outcome
    what: str = ""
    request: str = ""
    answer: str = ""
    other: str = ""


class Mirror:
    """Belongs to one event loop, like the dispatcher beside it: copies do not count among the requests that wait."""

    def __init__(self, routes: Routes, limits: Limits, tell: Callable[[Mirrored], None]) -> None:
        self.limits = replace(limits, waiting=WAITING, replica_seconds=0.5)
        self.dispatcher = Dispatcher(routes, self.limits)
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()

    def offer(
        self, route: Route, target: Target, method: str, payload: Any, rows: int | None, body: bytes, answer: Any
    ) -> None:
        """Copy this request, if it is one of those that are to be. Returns at once."""
        shadow = route.shadow
        if shadow is None or target.revision == shadow.revision or target.has_script != shadow.has_script:
            return
        if random.random() * 100 >= route.shadow_percent:  # a sample, no secret
            return
        said = Mirrored(
            route.deployment_id, shadow.revision, target.version, shadow.version, time.time(), method, "same"
        )
        if reads_otherwise(target, shadow):
            what = f"takes other columns than {target.version}: the requests of one are none of the other"
            self._tell(replace(said, outcome="failed", what=what, request=excerpt(body, self.limits)))
            return
        if not shadow.replicas or self.dispatcher.waiting(route) >= WAITING:
            self._tell(replace(said, outcome="dropped"))
            return
        task = asyncio.get_running_loop().create_task(self._copy(said, route, shadow, payload, rows, body, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _copy(
        self, said: Mirrored, route: Route, shadow: Target, payload: Any, rows: int | None, body: bytes, answer: Any
    ) -> None:
        try:
            other = await self.dispatcher.call(route, shadow, said.method, payload, rows=rows)
            texts = text_of(answer), text_of(other)
            # Large answers take tens of milliseconds, in which every other request would stand still.
            aside = max(map(len, texts)) > QUICK_BYTES
            said = await asyncio.to_thread(compared, said, *texts) if aside else compared(said, *texts)
        except errors.TooManyRequests:
            said = replace(said, outcome="dropped")
        except errors.GatewayError as error:
            problem = f"answers with an error: {error.message}"
            said = replace(said, outcome="failed", what=problem, answer=excerpt(text_of(answer), self.limits))
        except Exception:  # the edge of the task: nobody else would ever hear of it
            logger.exception("A copy of a request to %s could not be compared.", route.name)
            return
        if said.outcome in ("different", "failed"):
            said = replace(
                said,
                what=said.what[:500],
                request=excerpt(body, self.limits),
                answer=said.answer[: self.limits.excerpt_bytes],
                other=said.other[: self.limits.excerpt_bytes],
            )
        self._tell(said)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.dispatcher.close()


def compared(said: Mirrored, answer: bytes, other: bytes) -> Mirrored:
    """With the outcome. Numbers with a fraction may differ by a hundred-thousandth: processors round differently."""
    if answer == other:
        return said
    what = "answers something else"
    if max(len(answer), len(other)) <= COMPARED_BYTES:
        try:
            expected, got = orjson.loads(answer), orjson.loads(other)
            first = difference(expected, got, RTOL, ATOL)
        except (orjson.JSONDecodeError, RecursionError):
            pass
        else:
            if first is None:
                return said
            what = told(expected, got, first)
    return replace(
        said,
        outcome="different",
        what=what,
        answer=answer.decode("utf-8", "replace"),
        other=other.decode("utf-8", "replace"),
    )


def text_of(answer: Any) -> bytes:
    return answer.body if isinstance(answer, Raw) else dumps(answer)


def excerpt(body: bytes, limits: Limits) -> str:
    return body[: limits.excerpt_bytes].decode("utf-8", "replace")
