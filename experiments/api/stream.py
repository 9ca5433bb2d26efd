"""The event stream of a run. However many pages are open, a few database connections serve them all."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from experiments.api.feed import Feed
from experiments.api.inputs import StreamQuery
from experiments.api.runs import run_of
from mlportal.access.authentication import who_asks
from mlportal.api.views import ApiView

T = TypeVar("T")
TICK_SECONDS = 0.3
KEEP_ALIVE_SECONDS = 15.0
# A revoked token, a sign-out and a password that has changed end the stream within this time; a membership, at the next tick.
AUTHORISED_SECONDS = 5.0
LAST_EVENT = re.compile(r"(\d{1,15}):(\d{1,15})")
# All streams of the process share these threads and their database connections, however many pages are open.
THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="stream")

EVENTS = """\
Server-sent events, each with `id`, `event` and one line of JSON as `data`:

| event | data | told |
|---|---|---|
| `run` | the run, as `GET …/runs/{uid}/` gives it | at first, and with every change |
| `build` | `{"after": 12, "text": "…"}`: a part of its environment's build log | while it is prepared |
| `log` | `{"name": "…", "offset": 0, "next_offset": 9, "text": "…"}`, in bytes of the file | for the log that `log` names |
| `metrics` | `{"summaries": [{"name", "count", "last", "least", "most"}, …]}` | at most once a second |
| `end` | `{"status": "Completed"}` | once, at last |

After `end` the stream ends, and nothing will ever come. It ends without `end` when the caller may no longer see the run:
the token was revoked or is over, the session has ended, the membership was taken away.

Connect again with the last `id` as `Last-Event-ID`: what is known already is not told again.
"""
EXAMPLE = """\
id: 7:0
event: run
data: {"id": "5f0c…", "status": "Running", …}

id: 7:9
event: log
data: {"name": "user_logs/std_log.txt", "offset": 0, "next_offset": 9, "text": "epoch 1\\n"}

id: 9:9
event: end
data: {"status": "Completed"}

"""


class Stream(ApiView):
    http_method_names = ["get"]  # a HEAD would follow the run, and tell nothing
    query_serializer = StreamQuery

    @extend_schema(
        parameters=[
            StreamQuery,
            OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="`id` of the last event seen"),
        ],
        responses={
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR, EVENTS, examples=[OpenApiExample("A run that ends", EXAMPLE)]
            )
        },
    )
    def get(self, request: Request, workspace: str, uid: str) -> HttpResponseBase:
        """Follow a run until it ends: its state, its build, one of its logs and its metrics, as they happen."""
        wish, run = self.query(request), run_of(self)
        revision = None
        if last := LAST_EVENT.fullmatch(request.headers.get("Last-Event-ID", "")):
            revision, offset = int(last[1]), int(last[2])
            wish["offset"] = max(wish["offset"], offset) if wish["log"] else 0
        feed = Feed(run, self.person, log=wish["log"], offset=wish["offset"], revision=revision)
        # Django would close the request's own connection when the response ends, which is hours from now.
        close_old_connections()
        response = StreamingHttpResponse(
            events(feed, request._request), content_type="text/event-stream; charset=utf-8"
        )
        response["Cache-Control"] = "no-cache, no-transform"
        response["X-Accel-Buffering"] = "no"
        return response


async def events(feed: Feed, request: HttpRequest) -> AsyncIterator[bytes]:
    """Until the run is final, the caller may not see it any more, or leaves: nothing of it stays behind."""
    yield b"retry: 2000\n\n"
    quiet_since = asked_at = time.monotonic()
    while True:
        if time.monotonic() - asked_at >= AUTHORISED_SECONDS:
            asked_at = time.monotonic()
            feed.principal = await _in_thread(lambda: who_asks(request))
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


async def _in_thread(look: Callable[[], T]) -> T:
    def safely() -> T:
        try:
            return look()
        except Exception:
            with contextlib.suppress(Exception):
                connection.close()  # it may be the connection that is broken; the next look opens another
            raise

    return await sync_to_async(safely, thread_sensitive=False, executor=THREADS)()
