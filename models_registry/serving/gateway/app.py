"""The ASGI application for `/services/<name>/…`."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from hmac import compare_digest
from itertools import count
from random import random
from typing import Any, NamedTuple

from models_registry.serving.gateway import errors
from models_registry.serving.gateway.contracts import Limits, Recorder, RequestRecord, Route, Routes, Target
from models_registry.serving.gateway.dispatcher import Dispatcher, is_unknown, refuse_if_closed
from models_registry.serving.gateway.formats import Call, dumps, read_invocations, read_score
from models_registry.serving.gateway.http import (
    PIECE_BYTES,
    Answer,
    Headers,
    Held,
    Receive,
    Scope,
    Send,
    answered_at_once,
    body_at_once,
    body_is_csv,
    error_answer,
    gone,
    header,
    headers_of,
    read_body,
    send_answer,
)
from models_registry.serving.gateway.mirror import Mirror, Mirrored
from models_registry.serving.gateway.open_inference import below_model, metadata, read_infer, server, version_named
from models_registry.serving.gateway.openapi import document
from models_registry.serving.gateway.patrol import ClientGone
from models_registry.serving.gateway.picking import ASKS, VERSION_HEADER, pick, told
from models_registry.serving.gateway.script import answer_of, request_of
from models_registry.serving.gateway.understanding import ASIDE_BYTES, Aside, Turn, understand, understand_aside
from models_registry.serving.worker.protocol import Body

logger = logging.getLogger(__name__)
PATH = re.compile(r"/services/(?P<name>[^/]+)(?P<rest>/.*)?")
READY_SECONDS = 2.0
KNOWN_CHARACTERS = 200


def _numbered() -> Iterator[str]:
    """32 hexadecimal digits for each request: 80 random bits of this process, and a number."""
    begin = os.urandom(10).hex()
    return (f"{begin}{number:012x}" for number in count(1))


class Address(NamedTuple):
    """What a path names: `rest` is below the service, `base` leads to the service."""

    name: str
    rest: str
    base: str


def address_of(path: str) -> Address | None:
    match = PATH.fullmatch(path)
    if match is None:
        return None
    rest = match["rest"] or ""
    return Address(match["name"], rest.rstrip("/") or "/", match[0].removesuffix(rest))


_known_address_of = lru_cache(maxsize=1024)(address_of)


@dataclass(slots=True)
class Exchange:
    """One request on its way, and what the record will say of it."""

    scope: Scope
    headers: Headers
    receive: Receive
    route: Route
    target: Target
    base: str
    id: str
    body: bytes = b""
    held: int = 0
    method: str = ""
    rows: int | None = None
    since: float | None = None  # when it began to wait (the loop's time), if it had to before it was read


Read = Callable[[Exchange, bool], tuple[Callable[..., Call], tuple[Any, ...]]]
Handler = Callable[[Exchange], Awaitable[Answer]]


class Gateway:
    """The ASGI application. Everything that it knows of services it asks `routes`; it tells `recorder` what passed."""

    def __init__(
        self,
        routes: Routes,
        recorder: Recorder,
        limits: Limits | None = None,
        mirrored: Callable[[Mirrored], None] = lambda said: None,
    ) -> None:
        self.routes = routes
        self.recorder = recorder
        self.limits = limits or Limits()
        self.dispatcher = Dispatcher(routes, self.limits, recorder)
        self.mirror = Mirror(routes, self.limits, mirrored)
        self.held = Held(self.limits.waiting_bytes)
        self._ids = _numbered()
        self._accepted: dict[str, tuple[Route, bytes]] = {}
        self.aside = Aside()
        self._score = self._scorer(lambda exchange, is_csv: (read_score, (exchange.body, is_csv)))
        self._invocations = self._scorer(lambda exchange, is_csv: (read_invocations, (exchange.body, is_csv)))
        self._infer = self._scorer(
            lambda exchange, _: (read_infer, (exchange.body, exchange.route.name, exchange.target))
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            try:
                answer = await self._answer(scope, receive)
            except errors.GatewayError as error:
                answer = error_answer(error)
            except ClientGone:
                return
            if answered_at_once(scope, answer):
                return
            if len(answer.body) <= PIECE_BYTES:
                await send_answer(send, answer)
                return
            # A large one is in memory for as long as the client takes to read it: meanwhile less is taken in.
            self.held.size += len(answer.body)
            try:
                await send_answer(send, answer)
            finally:
                self.held.size -= len(answer.body)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    def close(self) -> None:
        self.dispatcher.close()
        self.mirror.close()
        self.aside.close()

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        root: str = scope.get("root_path", "")
        path: str = scope["path"].removeprefix(root)
        # Paths come from anybody: what is remembered of them is bounded in number and in length.
        address = _known_address_of(path) if len(path) < KNOWN_CHARACTERS else address_of(path)
        if address is None:
            raise errors.UnknownPath("The path is /services/<name>/…")
        route = self.routes.lookup(address.name)
        if route is None:
            raise errors.UnknownService(f"There is no service {address.name}")
        verb, rest = scope["method"], address.rest
        headers = headers_of(scope)
        target = version_named(route, rest) or pick(route, header(headers, ASKS))
        handlers, is_open = self._handlers(route, target, rest)
        handler = handlers.get("GET" if verb == "HEAD" else verb)
        if handler is None:
            raise errors.WrongVerb(f"{rest} takes {' and '.join(handlers)}, not {verb}", allowed=list(handlers))
        exchange = Exchange(scope, headers, receive, route, target, root + address.base, next(self._ids))
        if verb == "POST":
            return await self._recorded(exchange, handler)
        if not is_open:
            self._authorize(exchange)
        return await handler(exchange)

    def _handlers(self, route: Route, target: Target, rest: str) -> tuple[Mapping[str, Handler], bool]:
        """({verb: handler} of the path below the service, whether its GET asks for no key)."""
        if rest in ("/openapi.json", "/swagger.json"):
            return {"GET": self._openapi}, False
        if rest == "/v2/health/live":
            return {"GET": self._live}, True
        if rest == "/v2/health/ready":
            return {"GET": self._ready}, True
        if target.has_script:
            return self._script_handlers(route, rest)
        if rest == "/":
            return {"GET": self._health, "POST": self._score}, True
        if rest == "/score":
            return {"POST": self._score}, False
        if rest == "/invocations":
            return {"POST": self._invocations}, False
        if rest in ("/ping", "/health", "/version"):  # of MLflow's scoring server
            return {"GET": self._version if rest == "/version" else self._ready}, True
        if rest == "/v2":
            return {"GET": self._server}, False
        below = below_model(rest, route.name, target)
        if below == "/infer":
            return {"POST": self._infer}, False
        if below == "":
            return {"GET": self._metadata}, False
        if below == "/ready":
            return {"GET": self._ready}, True
        raise errors.UnknownPath(f"A service has no path {rest}")

    def _script_handlers(self, route: Route, rest: str) -> tuple[Mapping[str, Handler], bool]:
        if rest == "/":
            return {"GET": self._health, "POST": self._script}, True
        if rest == "/score":
            return {"POST": self._script}, False
        raise errors.UnknownPath(f"{route.name} is answered by an entry script: it has /score, and no path {rest}")

    def _authorize(self, exchange: Exchange) -> None:
        route = exchange.route
        if not route.auth_enabled:
            return
        given = exchange.headers.get(b"authorization")
        # The key that was good last is good as long as the route is the same object, which lives for half a second.
        known, good = self._accepted.get(route.deployment_id, (None, b""))
        if known is route and given is not None and compare_digest(given, good):
            return
        if not route.authorize(header(exchange.headers, b"authorization")):
            raise errors.Unauthorized("Send a key of this service as Authorization: Bearer <key>")
        if given is not None:
            self._accepted[route.deployment_id] = route, given

    def _scorer(self, read: Read) -> Handler:
        async def score(exchange: Exchange) -> Answer:
            self._authorize(exchange)
            is_csv = body_is_csv(exchange.headers)
            await self._take_body(exchange)
            if is_unknown(exchange.route, exchange.target):
                exchange.since = asyncio.get_running_loop().time()
                watch = partial(gone, exchange.receive)
                exchange.route, exchange.target = await self.dispatcher.known(exchange.route, exchange.target, watch)
            reader, given = read(exchange, is_csv)
            describe, rows = exchange.target.describe, self.limits.rows
            try:
                if len(exchange.body) > ASIDE_BYTES:
                    if exchange.since is None:
                        exchange.since = asyncio.get_running_loop().time()
                    turn = Turn(exchange.since, self.limits.deadline_seconds, partial(gone, exchange.receive))
                    found = await self.aside.run(
                        turn, self.dispatcher.patrol, understand_aside, reader, given, describe, rows
                    )
                else:
                    found = understand(reader, given, describe, rows)
            except errors.GatewayError as error:
                exchange.method = error.asked
                raise
            exchange.method, payload, exchange.rows, write = found
            del given, found
            self._keep(exchange, payload)
            return Answer(200, write(await self._call(exchange, payload)))

        return score

    async def _script(self, exchange: Exchange) -> Answer:
        self._authorize(exchange)
        await self._take_body(exchange)
        exchange.method = "run"
        return answer_of(await self._call(exchange, request_of(exchange.scope, exchange.body)))

    async def _call(self, exchange: Exchange, payload: Any) -> Any:
        route = exchange.route
        result = await self.dispatcher.call(
            route,
            exchange.target,
            exchange.method,
            payload,
            rows=exchange.rows,
            watch=partial(gone, exchange.receive),
            since=exchange.since,
            moved=partial(setattr, exchange, "target"),
        )
        target = exchange.target
        if route.sample and random() < route.sample:
            self.recorder.sample(route, target, exchange.id, exchange.method, payload, result)
        if route.shadow is not None:
            self.mirror.offer(route, target, exchange.method, payload, exchange.rows, exchange.body, result)
        return result

    async def _take_body(self, exchange: Exchange) -> None:
        limits, patrol = self.limits, self.dispatcher.patrol
        body = body_at_once(exchange.scope, limits, self.held)
        if body is None:
            body = await read_body(exchange.headers, exchange.receive, limits, patrol, self.held)
        exchange.body, exchange.held = body, len(body)

    def _keep(self, exchange: Exchange, payload: Any) -> None:
        """While a request waits, its rows are kept, and of its body what the record tells."""
        size = sum(map(len, payload.parts)) if isinstance(payload, Body) else getattr(payload, "nbytes", exchange.held)
        exchange.body = exchange.body[: self.limits.excerpt_bytes]
        if size > exchange.held:
            self.held.take(size - exchange.held)
        else:
            self.held.size -= exchange.held - size
        exchange.held = size

    async def _recorded(self, exchange: Exchange, handler: Handler) -> Answer:
        started, clock = time.time(), time.perf_counter()
        self.dispatcher.attention.request_came()
        problem = None
        try:
            answer = await handler(exchange)
        except errors.GatewayError as error:
            answer, problem = error_answer(error), error.code
        except ClientGone:
            raise
        except Exception:
            logger.exception("request %s to service %s failed", exchange.id, exchange.route.name)
            failure = errors.ModelFailed("The request could not be answered", request_id=exchange.id)
            answer, problem = error_answer(failure), "internal"
        finally:
            self.held.size -= exchange.held
        answer.headers["x-request-id"] = exchange.id
        answer.headers[VERSION_HEADER] = told(exchange.target.version)
        seconds = time.perf_counter() - clock
        route, target = exchange.route, exchange.target
        waiting = self.dispatcher.waiting(route)
        self.recorder.measure(route, target, answer.status, seconds, exchange.rows or 0, waiting)
        if answer.status == errors.Unauthorized.status:
            return answer  # recorded, callers without a key would push everybody else's requests out of the log
        cut = self.limits.excerpt_bytes
        self.recorder.record(
            RequestRecord(
                exchange.id,
                route.deployment_id,
                target.version,
                started,
                exchange.method,
                answer.status,
                seconds * 1000,
                exchange.rows,
                exchange.body[:cut],
                answer.body[:cut],
                problem,
            )
        )
        return answer

    async def _health(self, exchange: Exchange) -> Answer:
        name, target = exchange.route.name, exchange.target
        return _json({"alive": True, "service": name, "version": target.version, "ready": bool(target.replicas)})

    async def _live(self, exchange: Exchange) -> Answer:
        return _json({"live": True})

    async def _ready(self, exchange: Exchange) -> Answer:
        """Asks a replica, so that "ready" means that the next request will be answered."""
        refuse_if_closed(exchange.route)
        if not exchange.target.replicas:
            raise errors.NotReady(f"No replica of the service {exchange.route.name} is ready")
        try:
            await self.dispatcher.health(exchange.route, exchange.target, READY_SECONDS)
        except errors.DeadlineExceeded:
            raise errors.NotReady(f"No replica of the service {exchange.route.name} answers") from None
        return _json({"ready": True, "name": exchange.route.name})

    async def _openapi(self, exchange: Exchange) -> Answer:
        return _json(document(exchange.route, exchange.base))

    async def _version(self, exchange: Exchange) -> Answer:
        return Answer(200, exchange.target.version.encode(), {"content-type": "text/plain; charset=utf-8"})

    async def _server(self, exchange: Exchange) -> Answer:
        return _json(server(exchange.route.name, exchange.target.version))

    async def _metadata(self, exchange: Exchange) -> Answer:
        return _json(metadata(exchange.route, exchange.target))


def _json(value: Any) -> Answer:
    return Answer(200, dumps(value))
