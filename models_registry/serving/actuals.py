"""`POST /services/<name>/actuals`: what came true, from the application that asked, with the key that it has anyway."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from django.db import DatabaseError, close_old_connections, connection

from mlportal.errors import BadInput, DatabaseAway, NotFound, PortalError
from models_registry.models import Deployment
from models_registry.services.monitoring import read_actuals, record_actuals
from models_registry.serving.gateway import Gateway, Route, errors
from models_registry.serving.gateway.app import address_of
from models_registry.serving.gateway.formats import dumps
from models_registry.serving.gateway.http import (
    Answer,
    Receive,
    Scope,
    Send,
    error_answer,
    header,
    headers_of,
    read_body,
    send_answer,
)
from models_registry.serving.gateway.patrol import ClientGone

PATH = "/actuals"


def is_meant(scope: Scope) -> bool:
    """Of a path with that end: a service may be called so, too."""
    address = address_of(scope["path"].removeprefix(scope.get("root_path", "")))
    return address is not None and address.rest == PATH


async def actuals_application(gateway: Gateway, scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI, for what `is_meant`. Actual values are neither measured nor logged: nothing is predicted."""
    try:
        answer = await _answer(gateway, scope, receive)
    except errors.GatewayError as error:
        answer = error_answer(error)
    except ClientGone:
        return
    await send_answer(send, answer)


async def _answer(gateway: Gateway, scope: Scope, receive: Receive) -> Answer:
    address = address_of(scope["path"].removeprefix(scope.get("root_path", "")))
    if address is None:
        raise errors.UnknownPath(f"The path is /services/<name>{PATH}")
    route = gateway.routes.lookup(address.name)
    if route is None:
        raise errors.UnknownService(f"There is no service {address.name}")
    if scope["method"] != "POST":
        raise errors.WrongVerb(f"{PATH} takes POST, not {scope['method']}", allowed=["POST"])
    headers = headers_of(scope)
    if route.auth_enabled and not route.authorize(header(headers, b"authorization")):
        raise errors.Unauthorized("Send a key of this service as Authorization: Bearer <key>")
    body = await read_body(headers, receive, gateway.limits, gateway.dispatcher.patrol, gateway.held)
    try:
        return await asyncio.to_thread(_record, route, body)
    finally:
        gateway.held.size -= len(body)


def _record(route: Route, body: bytes) -> Answer:
    """In a thread: it reads and writes the database."""
    close_old_connections()
    try:
        return Answer(200, dumps(_told(route, body)))
    except DatabaseError:
        return _refusal(DatabaseAway("The database does not answer; send them again."))
    except PortalError as error:
        return _refusal(error)
    finally:
        connection.close()


def _told(route: Route, body: bytes) -> dict[str, Any]:
    try:
        given = read_actuals(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise BadInput(f"The body is not JSON: {error}") from None
    deployment = Deployment.objects.filter(pk=int(route.deployment_id)).first()
    if deployment is None:
        raise NotFound(f"There is no service {route.name} any more.")
    return record_actuals(deployment, given)


def _refusal(error: PortalError) -> Answer:
    return Answer(error.status, dumps(error.as_json()))
