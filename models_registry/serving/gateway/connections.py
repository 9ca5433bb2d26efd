"""The connection to one replica. A model does one call at a time, so one call is under way, and the others wait here.

What waits here while the model works, and may be one call, is sent as one when it is done. Who comes while the model has
nothing to do is sent at once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models_registry.serving.gateway import batching, errors
from models_registry.serving.gateway.attention import Attention
from models_registry.serving.gateway.contracts import Limits, Route, Target
from models_registry.serving.gateway.patrol import ClientGone, Waiting, Watch
from models_registry.serving.worker import protocol
from models_registry.serving.worker.sockets import address_of

BATCH_BYTES = 1 << 20
READING_SECONDS = 0.0001  # about what a request and its answer take the gateway

Measure = Callable[[Route, Target, int, int, float], None]


class ReplicaAbsent(Exception):
    """Nobody listens, or no more: the request was not sent."""


class ReplicaLost(Exception):
    """The connection ended after the request was sent."""


class Request(Waiting):
    """A request to a model, until it is answered; `result` is made anew for each replica that it is given to.

    `key` is what it may be stacked by. One that was lost with a replica goes alone from then on: should it be what ended
    the replica, nobody else is lost with it again.
    """

    __slots__ = ("body", "key", "lost", "method", "result", "route", "rows", "seconds", "size", "target")

    def __init__(
        self,
        route: Route,
        target: Target,
        method: str,
        payload: Any,
        key: batching.Key | None,
        since: float,
        seconds: float,
        watch: Watch | None = None,
        rows: int | None = None,
    ) -> None:
        super().__init__(since, since + seconds, watch)
        self.route = route
        self.target = target
        self.method = method
        self.body = payload if isinstance(payload, protocol.Body) else protocol.body_of(payload)
        self.key = key
        self.rows = rows_of(payload) if rows is None else rows
        self.size = payload.nbytes if key is not None else 0
        self.seconds = seconds
        self.lost = 0
        self.result: asyncio.Future[protocol.Message] | None = None

    def late(self) -> None:
        self.end(
            errors.DeadlineExceeded(
                f"The model did not answer within {self.seconds:g} s (MLPORTAL_SERVICE_TIMEOUT)", limit=self.seconds
            )
        )

    def unwanted(self) -> None:
        self.end(ClientGone())

    def end(self, error: Exception) -> None:
        if self.result is not None and not self.result.done():
            self.result.set_exception(error)


def rows_of(payload: Any) -> int:
    if isinstance(payload, dict) and isinstance(payload.get("rows"), list):
        return len(payload["rows"])
    return len(payload) if isinstance(payload, np.ndarray) and payload.ndim else 1


class Link(asyncio.Protocol):
    """To the replica at `path`; opened when it is needed. `gone` is called when it is of no use any more."""

    def __init__(
        self,
        path: Path,
        limits: Limits,
        gone: Callable[[Link], None],
        measure: Measure | None,
        attention: Attention | None,
    ) -> None:
        self.path = path
        self.limits = limits
        self.gone = gone
        self.measure = measure
        self.attention = attention
        self.decoder = protocol.Decoder(limits.answer_bytes)
        self.transport: asyncio.Transport | None = None
        self.opening: asyncio.Task[None] | None = None
        self.number = 0
        self.queue: dict[Request, None] = {}
        self.under_way: Sequence[Request] = ()
        self.sent_at = 0.0
        self.has_ended = False
        self.sends_soon = False
        self.call_seconds, self.just_answered = math.inf, 0  # of the last call, and how many requests it was
        self.not_stacked: set[str] = set()  # methods whose answer was not one item a row

    @property
    def load(self) -> int:
        return len(self.queue) + len(self.under_way)

    async def ask(self, request: Request) -> protocol.Message:
        """The replica's answer. Raises ReplicaAbsent, ReplicaLost, ProtocolError, DeadlineExceeded, ClientGone."""
        if self.has_ended:
            raise ReplicaAbsent
        loop = asyncio.get_running_loop()
        request.result = loop.create_future()
        self.queue[request] = None
        if self.transport is not None:
            if not self.under_way and not self.sends_soon:
                self.sends_soon = True
                loop.call_soon(self._send_soon)  # those that came with this one go with it
        elif self.opening is None:
            self.opening = loop.create_task(self._open(loop))
        try:
            return await request.result
        finally:
            self.queue.pop(request, None)

    def _send_soon(self) -> None:
        self.sends_soon = False
        self._send_next(asyncio.get_running_loop().time())

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with address_of(self.path) as address:
                await loop.create_unix_connection(lambda: self, address)
        except OSError as error:
            self._end(ReplicaAbsent(str(error)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # of a stream: always a Transport
        self._send_next(asyncio.get_running_loop().time())

    def connection_lost(self, error: Exception | None) -> None:
        self._end(ReplicaLost())

    def data_received(self, data: bytes) -> None:
        if self.attention is not None:
            self.attention.answer_came()
        try:
            messages = self.decoder.feed(data)
        except protocol.ProtocolError as error:
            requests, self.under_way = self.under_way, ()
            for request in requests:
                request.key = None
                # The answer to several may be too large where those to each are not: they are asked anew, one by one.
                request.end(ReplicaAbsent() if len(requests) > 1 else error)
            self.close()
            return
        for message in messages:
            if message.request_id == self.number and self.under_way:
                self._answered(message)

    def _answered(self, message: protocol.Message) -> None:
        requests, self.under_way = self.under_way, ()
        now = asyncio.get_running_loop().time()
        self.call_seconds, self.just_answered = now - self.sent_at, len(requests)
        if self.measure is not None:
            rows = sum(request.rows for request in requests)
            self.measure(requests[0].route, requests[0].target, len(requests), rows, now - self.sent_at)
        answers = self._shared_out(message, requests)
        if answers is None:
            for request in requests:
                request.key = None
            self.queue = dict.fromkeys([each for each in requests if _is_wanted(each)]) | self.queue
        self._send_next(now)  # first of all, so that the model works while these are answered
        if answers is not None:
            for request, answer in zip(requests, answers, strict=True):
                if request.result is not None and not request.result.done():
                    request.result.set_result(answer)

    def _shared_out(self, message: protocol.Message, requests: Sequence[Request]) -> Sequence[protocol.Message] | None:
        """The answer to each request, or None when each must be asked alone: one of them may be what failed."""
        if len(requests) == 1:
            return (message,)
        if message.kind == protocol.ERROR:
            return None
        parts = batching.shares(message.payload, [request.rows for request in requests])
        if parts is None:
            self.not_stacked.add(message.name)
            return None
        return [protocol.Message(message.request_id, message.kind, message.name, part) for part in parts]

    def _send_next(self, now: float) -> None:
        if self.transport is None or self.under_way:
            return
        requests = self._next()
        if not requests:
            return
        for request in requests:
            del self.queue[request]
        self.number = (self.number + 1) & 0xFFFFFFFF
        self.under_way = requests
        self.sent_at = now
        first = requests[0]
        if len(requests) > 1 and first.key is not None:
            rows = sum(request.rows for request in requests)
            bodies = [request.body for request in requests]
            self.transport.write(batching.stacked(self.number, first.method, bodies, rows, first.key[2]))
        else:
            for part in protocol.message(self.number, first.method, first.body):
                self.transport.write(part)

    def _next(self) -> list[Request]:
        """The oldest request, and those that may go with it."""
        chosen: list[Request] = []
        # Were all those who ask in one call, gateway and model would work in turns. Where the model is the quicker one, it
        # gets half of them, and answers while the gateway reads the others. To a slow one, fewer and larger calls count.
        there = len(self.queue) + self.just_answered
        most = (there + 1) // 2 if self.call_seconds < there * READING_SECONDS else there
        self.just_answered = 0
        rows = size = 0
        for request in self.queue:
            if not _is_wanted(request):
                continue
            if not chosen:
                chosen.append(request)
                if request.key is None or request.method in self.not_stacked:
                    break
                rows, size = request.rows, request.size
            elif request.key == chosen[0].key:
                rows += request.rows
                size += request.size
                if rows > self.limits.batch_rows or size > BATCH_BYTES or len(chosen) >= most:
                    break
                chosen.append(request)
        return chosen

    def _end(self, error: ReplicaAbsent | ReplicaLost) -> None:
        self.transport = None
        self.has_ended = True
        self.gone(self)
        requests, self.under_way = self.under_way, ()
        for request in requests:
            request.end(error)
        for request in list(self.queue):
            request.end(ReplicaAbsent("The connection to the replica has ended"))

    def close(self) -> None:
        self.has_ended = True
        if self.opening is not None:
            self.opening.cancel()
        if self.transport is not None:
            self.transport.abort()
            self.transport = None


def _is_wanted(request: Request) -> bool:
    return request.result is not None and not request.result.done()
