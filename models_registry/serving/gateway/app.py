"""The ASGI application for `/services/<name>/…` (and `/w/<workspace>/services/<name>/…`)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from models_registry.serving.gateway import errors
from models_registry.serving.gateway.contracts import Limits, Recorder, RequestRecord, Route, Routes, Target
from models_registry.serving.gateway.dispatcher import Dispatcher, choose, refuse_if_closed
from models_registry.serving.gateway.formats import Call, dumps, read_infer, read_invocations, read_score
from models_registry.serving.gateway.http import (
    Answer,
    ClientGone,
    Receive,
    Scope,
    Send,
    body_is_csv,
    error_answer,
    header,
    read_body,
    send_answer,
)
from models_registry.serving.gateway.openapi import document
from models_registry.serving.gateway.script import answer_of, request_of
from models_registry.serving.gateway.tabular import payload_of

logger = logging.getLogger(__name__)
PATH = re.compile(r"(?:/w/(?P<workspace>[^/]+))?/services/(?P<name>[^/]+)(?P<rest>/.*)?")
READY_SECONDS = 2.0
ASIDE_BYTES = 100_000


@dataclass(slots=True)
class Exchange:
    """One request on its way, and what the record will say of it."""

    scope: Scope
    receive: Receive
    route: Route
    target: Target
    base: str
    id: str = field(default_factory=lambda: uuid4().hex)
    body: bytes = b""
    method: str = ""
    rows: int | None = None


Read = Callable[[bytes, bool], Call]


class Gateway:
    """The ASGI application. Everything that it knows of services it asks `routes`; it tells `recorder` what passed."""

    def __init__(self, routes: Routes, recorder: Recorder, limits: Limits | None = None) -> None:
        self.routes = routes
        self.recorder = recorder
        self.limits = limits or Limits()
        self.dispatcher = Dispatcher(routes, self.limits, recorder)

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
            await send_answer(send, answer)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.dispatcher.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        root = scope.get("root_path", "")
        match = PATH.fullmatch(scope["path"].removeprefix(root))
        if match is None:
            raise errors.UnknownPath("The path is /services/<name>/…")
        route = self.routes.lookup(match["workspace"], match["name"])
        if route is None:
            raise errors.UnknownService(f"There is no service {match['name']}")
        rest = (match["rest"] or "/").rstrip("/") or "/"
        target = choose(route)
        handlers, is_open = self._handlers(route, target, rest)
        verb = scope["method"]
        handler = handlers.get("GET" if verb == "HEAD" else verb)
        if handler is None:
            raise errors.WrongVerb(f"{rest} takes {' and '.join(handlers)}, not {verb}", allowed=list(handlers))
        base = root + match[0].removesuffix(match["rest"] or "")
        exchange = Exchange(scope, receive, route, target, base)
        if verb == "POST":
            return await self._recorded(exchange, handler)
        if not is_open:
            self._authorize(exchange)
        return await handler(exchange)

    def _handlers(
        self, route: Route, target: Target, rest: str
    ) -> tuple[dict[str, Callable[[Exchange], Awaitable[Answer]]], bool]:
        """({verb: handler} of the path below the service, whether its GET asks for no key)."""
        if rest in ("/openapi.json", "/swagger.json"):
            return {"GET": self._openapi}, False
        if rest == "/v2/health/live":
            return {"GET": self._live}, True
        if rest == "/v2/health/ready":
            return {"GET": self._ready}, True
        if target.has_script:
            return self._script_handlers(route, rest)
        score = self._scorer(read_score)
        model = f"/v2/models/{route.name}"
        if rest == "/":
            return {"GET": self._health, "POST": score}, True
        if rest == "/score":
            return {"POST": score}, False
        if rest == "/invocations":
            return {"POST": self._scorer(read_invocations)}, False
        if rest == f"{model}/infer":
            return {"POST": self._scorer(lambda body, _: read_infer(body, route.name, target.version))}, False
        if rest in ("/v2", model):
            return {"GET": self._server if rest == "/v2" else self._metadata}, False
        if rest == f"{model}/ready":
            return {"GET": self._ready}, True
        raise errors.UnknownPath(f"A service has no path {rest}")

    def _script_handlers(
        self, route: Route, rest: str
    ) -> tuple[dict[str, Callable[[Exchange], Awaitable[Answer]]], bool]:
        if rest == "/":
            return {"GET": self._health, "POST": self._script}, True
        if rest == "/score":
            return {"POST": self._script}, False
        raise errors.UnknownPath(f"{route.name} is answered by an entry script: it has /score, and no path {rest}")

    def _authorize(self, exchange: Exchange) -> None:
        route = exchange.route
        if route.auth_enabled and not route.authorize(header(exchange.scope, b"authorization")):
            raise errors.Unauthorized("Send a key of this service as Authorization: Bearer <key>")

    def _scorer(self, read: Read) -> Callable[[Exchange], Awaitable[Answer]]:
        async def score(exchange: Exchange) -> Answer:
            self._authorize(exchange)
            is_csv = body_is_csv(exchange.scope)
            exchange.body = await read_body(exchange.scope, exchange.receive, self.limits)
            # A large CSV takes seconds, in which every other request would stand still.
            aside = is_csv and len(exchange.body) > ASIDE_BYTES
            call = await asyncio.to_thread(read, exchange.body, is_csv) if aside else read(exchange.body, is_csv)
            describe = exchange.target.describe
            methods = describe.get("methods")
            exchange.method = call.method or describe.get("default_method") or "predict"
            if methods is not None and exchange.method not in methods:
                raise errors.NoMethod(f"The model has no method {exchange.method}", methods=list(methods))
            payload, exchange.rows = payload_of(call.table, describe, self.limits.rows)
            return Answer(
                200, call.write(await self.dispatcher.call(exchange.route, exchange.target, exchange.method, payload))
            )

        return score

    async def _script(self, exchange: Exchange) -> Answer:
        self._authorize(exchange)
        exchange.body = await read_body(exchange.scope, exchange.receive, self.limits)
        exchange.method = "run"
        request = request_of(exchange.scope, exchange.body)
        return answer_of(await self.dispatcher.call(exchange.route, exchange.target, "run", request))

    async def _recorded(self, exchange: Exchange, handler: Callable[[Exchange], Awaitable[Answer]]) -> Answer:
        started, clock = time.time(), time.perf_counter()
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
        answer.headers.setdefault("x-request-id", exchange.id)
        seconds = time.perf_counter() - clock
        waiting = self.dispatcher.waiting(exchange.route)
        self.recorder.measure(exchange.route, exchange.target, answer.status, seconds, exchange.rows or 0, waiting)
        if answer.status == errors.Unauthorized.status:
            return answer  # recorded, callers without a key would push everybody else's requests out of the log
        cut = self.limits.excerpt_bytes
        self.recorder.record(
            RequestRecord(
                id=exchange.id,
                deployment_id=exchange.route.deployment_id,
                version=exchange.target.version,
                time=started,
                method=exchange.method,
                status=answer.status,
                latency_ms=seconds * 1000,
                rows=exchange.rows,
                request=exchange.body[:cut].decode("utf-8", "replace"),
                response=answer.body[:cut].decode("utf-8", "replace"),
                error=problem,
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
            await self.dispatcher.call(exchange.route, exchange.target, "health", None, deadline=READY_SECONDS)
        except errors.DeadlineExceeded:
            raise errors.NotReady(f"No replica of the service {exchange.route.name} answers") from None
        return _json({"ready": True, "name": exchange.route.name})

    async def _openapi(self, exchange: Exchange) -> Answer:
        return _json(document(exchange.route, exchange.base))

    async def _server(self, exchange: Exchange) -> Answer:
        return _json({"name": exchange.route.name, "version": exchange.route.main.version, "extensions": []})

    async def _metadata(self, exchange: Exchange) -> Answer:
        route = exchange.route
        describe = route.main.describe
        classes = describe.get("classes") or [0.0]
        kind = {int: "INT64", float: "FP64", bool: "BOOL"}.get(type(classes[0]), "BYTES")
        return _json(
            {
                "name": route.name,
                "versions": [route.main.version],
                "platform": "sklearn",
                "inputs": [{"name": "input", "datatype": "FP64", "shape": [-1, describe.get("n_features") or -1]}],
                "outputs": [{"name": describe.get("default_method") or "predict", "datatype": kind, "shape": [-1]}],
            }
        )


def _json(value: Any) -> Answer:
    return Answer(200, dumps(value))
