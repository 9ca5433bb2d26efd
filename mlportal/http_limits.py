"""uvicorn's HTTP protocol with bounds: on the size of headers and the time for them, and on clients that take no answer.

uvicorn leaves those to a proxy in front of it, and the portal may have none. A timer for each connection looks after it
once in a while, which costs less than uvicorn's own for each request.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LOOK_SECONDS = 1.0
MOST_HEADERS = 500
MOST_PIPELINED = 100  # uvicorn goes on reading while they wait, each with some kilobytes
TOO_LARGE = b"The headers have more than %d bytes (MLPORTAL_HEADERS)"


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.most_bytes: int = settings.HEADER_BYTES
        self.slow_seconds: float = settings.SLOW_CLIENT_SECONDS
        self._looking: asyncio.TimerHandle | None = None
        self._in_body = False
        self._head_bytes = 0
        self._head_since: float | None = None  # what has begun to arrive, or may for the first time, is no request yet
        self._idle_since: float | None = None
        self._stuck_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._looking = self.loop.call_later(LOOK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._idle_since = None
        if not self._in_body:
            if self._head_bytes > self.most_bytes:
                self._refuse()
                return
            # A header is not told of before it is whole: only what arrives can be counted.
            self._head_bytes += len(data)
            if self._head_since is None:
                self._head_since = self.loop.time()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_HEADERS:
            raise ValueError("too many headers")  # is answered 400
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests that wait on one connection")
        self._in_body = True
        self._head_bytes = 0
        self._head_since = None
        extensions: dict[str, Any] = {}
        self.scope["extensions"] = extensions
        super().on_headers_complete()
        extensions["mlportal.body"] = partial(_body, self.cycle)
        extensions["mlportal.answer"] = partial(_answer, self.cycle)

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, without its timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._idle_since = self.loop.time()

    def pause_writing(self) -> None:
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck_since = None
        super().resume_writing()

    def _look(self) -> None:
        now = self.loop.time()
        if _is_older(self._stuck_since, now, self.slow_seconds):
            self.transport.abort()  # closing would wait for what the client does not take
        elif _is_older(self._head_since, now, self.slow_seconds) or _is_older(
            self._idle_since, now, self.timeout_keep_alive
        ):
            self.transport.close()
        else:
            self._looking = self.loop.call_later(LOOK_SECONDS, self._look)

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        text = TOO_LARGE % self.most_bytes
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: text/plain\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(text), text)
        )
        self.transport.close()


def _body(cycle: RequestResponseCycle) -> bytes | None:
    """The body, where all of it came in one piece with the headers; else None, and `receive` has what there is of it."""
    if cycle.more_body or cycle.disconnected or cycle.waiting_for_100_continue:
        return None
    body = bytes(cycle.body)
    cycle.body = bytearray()
    return body


def _answer(cycle: RequestResponseCycle, headers: bytes, body: bytes) -> bool:
    """Answer 200, whole, in one write, as many short answers are: uvicorn's two take several times as long. `headers` are
    lines as they are sent, without the length. False where this cannot be: then nothing is done.
    """
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused or not cycle.keep_alive:
        return False
    if cycle.scope["method"] == "HEAD":  # a body would be read as the begin of the next answer
        return False
    own = b"".join([b"%s: %s\r\n" % pair for pair in cycle.default_headers]) if cycle.default_headers else b""
    cycle.transport.write(b"HTTP/1.1 200 OK\r\n%s%scontent-length: %d\r\n\r\n%s" % (own, headers, len(body), body))
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()
    return True


def _is_older(since: float | None, now: float, seconds: float) -> bool:
    return since is not None and now - since >= seconds
