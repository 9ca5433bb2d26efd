"""The event stream of a run: the one asynchronous view. However many pages are open, a few database connections serve them all."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from rest_framework.exceptions import APIException, MethodNotAllowed
from rest_framework.request import Request
from rest_framework.views import APIView

from experiments.api.feed import Feed
from experiments.api.inputs import StreamQuery
from experiments.models import Run
from mlportal.access.models import User
from mlportal.api.exceptions import handle
from mlportal.api.views import get_or_404, validated
from mlportal.errors import BadInput, NotAllowed, NotSignedIn, PortalError

T = TypeVar("T")
TICK_SECONDS = 0.3
KEEP_ALIVE_SECONDS = 15.0
LAST_EVENT = re.compile(r"(\d{1,15}):(\d{1,15})")
# All streams of the process share these threads and their database connections, however many pages are open.
THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="stream")


async def stream(request: HttpRequest, workspace: str, uid: str) -> HttpResponseBase:
    """`text/event-stream` with the events run, log, build, metrics and end."""
    try:
        if request.method != "GET":
            raise MethodNotAllowed(request.method or "")
        feed = await sync_to_async(_open)(request, workspace, uid)
        # Django would close the request's own connection when the response ends, which is hours from now.
        await sync_to_async(close_old_connections)()
    except (PortalError, APIException, Http404) as error:
        return _refusal(error)
    response = StreamingHttpResponse(events(feed), content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


async def events(feed: Feed) -> AsyncIterator[bytes]:
    """Until the run is final, or the client leaves: then the iterator is closed, and nothing of it stays behind."""
    yield b"retry: 2000\n\n"
    quiet_since = time.monotonic()
    while True:
        told = await _in_thread(feed.look)
        if told:
            quiet_since = time.monotonic()
            yield told
        if feed.over:
            return
        if time.monotonic() - quiet_since >= KEEP_ALIVE_SECONDS:
            quiet_since = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(0 if feed.behind else TICK_SECONDS)


def _open(request: HttpRequest, workspace: str, uid: str) -> Feed:
    person = Request(request, authenticators=APIView().get_authenticators()).user
    if not person.is_authenticated:
        raise NotSignedIn("Sign in, or send an API token.")
    if not isinstance(person, User):
        raise NotAllowed("A run's token does not open the event stream.")
    if unknown := set(request.GET) - set(StreamQuery().fields):
        raise BadInput(
            f"There is no query parameter {min(unknown)!r} here; there are: log, offset.", field=min(unknown)
        )
    wish: dict[str, Any] = validated(StreamQuery, request.GET)
    run = get_or_404(Run.objects.visible_to(person).filter(workspace__name=workspace), uid=uid)
    revision = None
    if last := LAST_EVENT.fullmatch(request.headers.get("Last-Event-ID", "")):
        revision, offset = int(last[1]), int(last[2])
        wish["offset"] = max(wish["offset"], offset) if wish["log"] else 0
    return Feed(run, person, log=wish["log"], offset=wish["offset"], revision=revision)


async def _in_thread(look: Callable[[], T]) -> T:
    def safely() -> T:
        try:
            return look()
        except Exception:
            with contextlib.suppress(Exception):
                connection.close()  # it may be the connection that is broken; the next look opens another
            raise

    return await sync_to_async(safely, thread_sensitive=False, executor=THREADS)()


def _refusal(error: Exception) -> JsonResponse:
    response = handle(error, {})
    assert response is not None
    answer = JsonResponse(response.data, status=response.status_code)
    if answer.status_code == 401:
        answer["WWW-Authenticate"] = 'Bearer realm="mlportal"'
    return answer
