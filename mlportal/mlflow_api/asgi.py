"""The ASGI application: from an address to its function, in a thread, and back as JSON."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import orjson
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection
from django.http.request import validate_host

from mlportal.access.models import workspace_name
from mlportal.errors import NotSignedIn, PortalError
from mlportal.mlflow_api import callers, files
from mlportal.mlflow_api.call import Call
from mlportal.mlflow_api.errors import MlflowError, invalid, not_there, translated
from mlportal.mlflow_api.http import ClientGone, Receive, Scope, Send, headers_of, read_body, read_query, send_json
from mlportal.mlflow_api.routes import ARTIFACT_ROUTES, NAMED_ROUTES, ROUTES, Route
from mlportal.mlflow_api.threads import Threads

T = TypeVar("T")
logger = logging.getLogger(__name__)
ADDRESS: Final = re.compile(
    r"(/w/(?P<workspace>[^/]+))?/api/[23]\.0/(?P<part>mlflow(-artifacts)?)/(?P<rest>.*)", re.DOTALL
)
DEFAULT_WORKSPACE: Final = "default"
BATCH_BYTES: Final = 1_000_000  # of log-batch: MLflow's own limit
THREADS: Final = 8
IDLE_SECONDS: Final = 1.0

_local = threading.local()
_threads = Threads(THREADS, "mlflow")
# SQLite takes one writer at a time and lets the others sleep for milliseconds; here they wait for microseconds.
_one_writer = threading.Lock() if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") else nullcontext()


def is_mlflow(path: str) -> bool:
    return "/api/" in path and ADDRESS.fullmatch(path) is not None


async def mlflow_application(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI: HTTP at the addresses that `is_mlflow` knows."""
    try:
        await _answer(scope, receive, send)
    except ClientGone:
        pass
    except (MlflowError, PortalError) as error:
        refused = error if isinstance(error, MlflowError) else translated(error)
        headers = (
            {"www-authenticate": 'Bearer realm="mlportal", Basic realm="mlportal"'} if refused.status == 401 else {}
        )
        await send_json(
            send, {"error_code": refused.code, "message": refused.message}, status=refused.status, headers=headers
        )


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    found = ADDRESS.fullmatch(scope["path"])
    assert found is not None
    if "\ufffd" in scope["path"] and not _is_text(scope.get("raw_path", b"")):
        raise invalid("Invalid path: it is no UTF-8.")
    headers = headers_of(scope)
    _check_host(headers.get("host", ""))
    workspace = found["workspace"] or DEFAULT_WORKSPACE
    caller = await _caller(headers.get("authorization", ""), workspace, scope)
    prefix = f"/w/{workspace}" if found["workspace"] else ""
    method, rest = scope["method"], found["rest"]
    call = Call(
        caller.by,
        caller.workspace,
        {},
        address=f"{scope.get('scheme', 'http')}://{headers.get('host', '')}{prefix}",
        headers=headers,
        runs=caller.runs,
    )
    if found["part"] == "mlflow-artifacts" and (moved := files.way_of(method, rest, scope["query_string"])):
        await moved(call, rest, receive, send, in_thread)
        return
    route, path, names = _route(found["part"], method, rest) if "/api/2.0/" in scope["path"] else (None, "", {})
    if route is None:
        raise MlflowError("ENDPOINT_NOT_FOUND", f"There is no {method} {scope['path'][:300]} here.")
    given = (
        read_query(scope["query_string"]) if method == "GET" else _body(await read_body(headers, receive, _limit(rest)))
    )
    call = replace(call, given=given, path=path, names=names, is_query=method == "GET")
    await send_json(send, await in_thread(lambda: route.handle(call), writes=route.writes))


async def in_thread(work: Callable[[], T], *, writes: bool = False) -> T:
    return await _threads.run(lambda: _run(work, writes))


def _run(work: Callable[[], T], writes: bool) -> T:
    """The connection stays open from call to call; one that was idle is looked at before it is used: a server that was
    started again has closed it."""
    idle = time.monotonic() - getattr(_local, "worked_at", math.inf)
    if idle > IDLE_SECONDS and connection.connection is not None and not connection.is_usable():
        connection.close()
    try:
        with _one_writer if writes else nullcontext():
            return work()
    except (InterfaceError, OperationalError):
        logger.exception("The database did not answer a call of MLflow's client.")
        connection.close()
        raise MlflowError("TEMPORARILY_UNAVAILABLE", "The database does not answer; try again.") from None
    except (MlflowError, PortalError):
        raise
    except Exception as error:
        logger.exception("A call of MLflow's client failed.")
        if isinstance(error, Error):
            connection.close()
        raise MlflowError("INTERNAL_ERROR", "The portal failed; its log has the reason.") from None
    finally:
        _local.worked_at = time.monotonic()


def _is_text(raw_path: bytes) -> bool:
    try:
        unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:  # what cannot be read was replaced, and two names may have become one
        return False
    return True


async def _caller(authorization: str, workspace: str, scope: Scope) -> callers.Caller:
    if not authorization:
        raise NotSignedIn(
            "Send an API token of the portal: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD."
        )
    known = callers.remembered(authorization, workspace)
    if known:
        return known
    if not workspace_name.regex.fullmatch(workspace):  # type: ignore[union-attr]
        workspace = ""
    address = (scope.get("client") or ("", 0))[0]
    return await in_thread(lambda: callers.find(authorization, workspace, address))


def _route(part: str, method: str, rest: str) -> tuple[Route | None, str, Mapping[str, str]]:
    """What answers; the path of an artifact; and what changes in the address."""
    if part == "mlflow":
        if route := ROUTES.get((method, rest)):
            return route, "", {}
        for wanted, pattern, route in NAMED_ROUTES:
            if method == wanted and (found := pattern.fullmatch(rest)):
                return route, "", found.groupdict()
        return None, "", {}
    for (wanted, start), route in ARTIFACT_ROUTES.items():
        if method == wanted and rest.startswith(f"{start}/"):
            return route, rest.removeprefix(f"{start}/"), {}
    return None, "", {}


def _limit(rest: str) -> int:
    return BATCH_BYTES if rest == "runs/log-batch" else settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _body(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body) if body.strip() else {}
        if isinstance(given, str):  # old clients write their JSON into a JSON text
            given = orjson.loads(given)
    except orjson.JSONDecodeError:
        raise invalid("The body is no JSON.") from None
    if not isinstance(given, dict):
        raise invalid("The body has to be a JSON object.")
    return given


def _check_host(host: str) -> None:
    """Against DNS rebinding, as everywhere in the portal."""
    name = re.sub(r":\d+\Z", "", host.lower())
    if not validate_host(name, settings.ALLOWED_HOSTS):
        raise not_there(
            f"The portal is not called {host[:200]}; an administrator can allow it (MLPORTAL_ALLOWED_HOSTS)."
        )
