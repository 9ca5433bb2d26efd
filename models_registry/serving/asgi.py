"""The gateway on the portal's database, mounted at /services/ in the portal's ASGI application."""

from __future__ import annotations

import asyncio
import ipaddress
import weakref
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from models_registry.serving import actuals
from models_registry.serving.gateway import Gateway, Limits
from models_registry.serving.gateway.errors import WrongHost
from models_registry.serving.gateway.http import Receive, Scope, Send, error_answer, header, headers_of, send_answer
from models_registry.serving.load import LoadMeter
from models_registry.serving.mirrors import MirrorBuffer
from models_registry.serving.portal_routes import PortalRecorder, PortalRoutes, RequestBuffer

requests = RequestBuffer()
mirrors = MirrorBuffer()
HOST_CHARACTERS = 300  # a name has at most 255


@dataclass(frozen=True)
class Mounted:
    """A gateway with its routes. Connections to model workers belong to an event loop, so each loop has its own."""

    gateway: Gateway
    routes: PortalRoutes
    meter: LoadMeter

    def close(self) -> None:
        self.meter.close()
        self.gateway.close()
        self.routes.close()


_mounted: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Mounted] = weakref.WeakKeyDictionary()


def mounted() -> Mounted:
    """The gateway of the running event loop."""
    loop = asyncio.get_running_loop()
    here = _mounted.get(loop)
    if here is None:
        routes = PortalRoutes()
        limits = Limits(
            body_bytes=settings.SERVICE_BODY_BYTES,
            body_seconds=settings.SERVICE_BODY_SECONDS,
            rows=settings.SERVICE_ROWS,
            answer_bytes=settings.SERVICE_ANSWER_BYTES,
            deadline_seconds=settings.SERVICE_SECONDS,
            waiting=settings.SERVICE_WAITING,
            waiting_bytes=settings.SERVICE_WAITING_BYTES,
            batch_rows=settings.SERVICE_BATCH_ROWS,
        )
        gateway = Gateway(routes, PortalRecorder(requests), limits, mirrors.add)
        here = Mounted(gateway, routes, LoadMeter(lambda: gateway.dispatcher.inside, routes.thread))
        _mounted[loop] = here
    return here


async def gateway_application(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI: lifespan, and HTTP below /services/."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    here = mounted()
    if scope["type"] == "http":
        given = header(headers_of(scope), b"host") or ""
        if len(given) > HOST_CHARACTERS or not _may_call(given, tuple(settings.ALLOWED_HOSTS)):
            text = f"The portal is not called {given[:200]}; an administrator can allow it (MLPORTAL_ALLOWED_HOSTS)"
            await send_answer(send, error_answer(WrongHost(text)))
            return
        here.meter.wake()
        name = _service_in(scope["path"].removeprefix(scope.get("root_path", "")))
        if not here.routes.is_ready_for(name):
            await here.routes.be_ready_for(name)
        if scope["path"].endswith(actuals.PATH) and actuals.is_meant(scope):
            await actuals.actuals_application(here.gateway, scope, receive, send)
            return
    await here.gateway(scope, receive, send)


@lru_cache(maxsize=256)
def _may_call(given: str, allowed: tuple[str, ...]) -> bool:
    """Refuse names that are not the portal's. A page elsewhere can lead a name of its own to this address (DNS
    rebinding) and then ask a service without keys from its visitor's browser. It needs a name for that: callers by IP
    address, and those that are no browsers and send no Host, are let in.
    """
    name, _ = split_domain_port(given)
    return not given or _is_address(name) or validate_host(name, allowed)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _service_in(path: str) -> str:
    _, _, below = path.partition("/services/")
    return below.partition("/")[0]


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        if kind == "lifespan.startup":
            mounted()
        if kind == "lifespan.shutdown":
            here = _mounted.pop(asyncio.get_running_loop(), None)
            if here is not None:
                here.close()
            await asyncio.to_thread(requests.flush)
            await asyncio.to_thread(mirrors.flush)
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


@dataclass(frozen=True)
class ScoreAnswer:
    """What a service answered; JSON, unless an entry script says otherwise."""

    status: int
    body: bytes
    headers: dict[str, str]


async def score(name: str, key: str, body: bytes, content_type: str) -> ScoreAnswer:
    """Ask a service as any caller would, inside this process: same checks, same log, same answer."""
    headers = [(b"content-type", content_type.encode("latin-1")), (b"authorization", f"Bearer {key}".encode())]
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": f"/services/{name}/score",
        "root_path": "",
        "headers": [*headers, (b"content-length", str(len(body)).encode())],
    }
    told: list[Scope] = []

    asked = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Scope:
        for message in asked:
            return message
        await asyncio.get_running_loop().create_future()  # this caller does not leave
        raise AssertionError

    async def send(message: Scope) -> None:
        told.append(message)

    loop = asyncio.get_running_loop()
    for_this_call = loop not in _mounted  # a loop without a lifespan ends with the call, as under WSGI
    try:
        await gateway_application(scope, receive, send)
    finally:
        if for_this_call:
            _mounted.pop(loop).close()
    answer = b"".join(message.get("body", b"") for message in told[1:])
    given = {name.decode(): value.decode("latin-1") for name, value in told[0]["headers"]}
    return ScoreAnswer(told[0]["status"], answer, given)
