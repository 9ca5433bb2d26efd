"""What a live page of a run has to be told, as server-sent events."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterator
from typing import Any

import orjson

from experiments import services
from experiments.api.run_serializers import RunSerializer
from experiments.models import BuildLogChunk, Run
from experiments.querysets import RunQuerySet
from experiments.status import RUN_FINAL, RunStatus
from mlportal.access.principals import Principal
from mlportal.errors import NotFound

LOG_BYTES = 256 * 1024
BUILD_CHUNKS = 200
METRICS_SECONDS = 1.0
QUEUE_SECONDS = 1.0
SUMMARY = ("name", "count", "last", "least", "most")


class Feed:
    """Remembers what one client knows, and tells what is new of the run that `principal` may see at that moment.

    `log` "" follows none, else `offset` counts its bytes; `revision` is the one that the client has seen already.
    After a `look`, `behind` says that there is more at once, `over` that nothing will ever come.
    """

    def __init__(
        self, run: Run, principal: Principal, *, log: str = "", offset: int = 0, revision: int | None = None
    ) -> None:
        self.principal: Principal | None = principal
        self._pk = run.pk
        self._log, self._offset = log, offset
        self._seen = revision
        self._state: tuple[Any, ...] = ()
        self._run_told: Any = None
        self._queue_at = 0.0
        self._build_after = 0
        self._metrics_owed, self._metrics_at = True, 0.0
        self.revision = 0
        self.behind = self.over = False

    @property
    def _run(self) -> RunQuerySet:
        return Run.objects.visible_to(self.principal).filter(pk=self._pk)

    def look(self) -> bytes:
        """The events since the last look; one small query when there are none."""
        state = self._run.values_list("revision", "status", "cancel_requested_at", "build_id").first()
        if state is None:  # no longer a member, or nobody
            self.over = True
            return b""
        return b"".join(self._events(state))

    def _events(self, state: tuple[Any, ...]) -> Iterator[bytes]:
        now, changed = time.monotonic(), state != self._state
        first, self._state = not self._state, state
        self.revision, status, _, build_id = state
        known = first and self.revision == self._seen
        final, self.behind = status in RUN_FINAL, False
        # A run moves up in the queue by what happens to others.
        if (changed and not known) or (status == RunStatus.QUEUED and now - self._queue_at >= QUEUE_SECONDS):
            self._queue_at = now
            yield from self._tell_run()
        if build_id is not None and (status == RunStatus.PREPARING or changed):
            yield from self._tell_build(build_id)
        if self._log and (changed or final):
            yield from self._tell_log()
        self._metrics_owed = self._metrics_owed or (changed and not known)
        if self._metrics_owed and (final or now - self._metrics_at >= METRICS_SECONDS):
            self._metrics_owed, self._metrics_at = False, now
            summaries = services.metric_summaries(self._run.get())
            yield self._event("metrics", {"summaries": [{key: one[key] for key in SUMMARY} for one in summaries]})
        if final and not self.behind:
            self.over = True
            yield self._event("end", {"status": status})

    def _tell_run(self) -> Iterator[bytes]:
        run = RunSerializer.prepared(self._run).get()
        data = RunSerializer(run).data
        logged_in = (data["last_logged_at"] or "")[
            :16
        ]  # the minute: a page says when, and is not drawn for every batch
        told = (data["status"], data["cancel_requested_at"], data["phases"], data["warnings"], run.build_id, logged_in)
        if told != self._run_told:
            self._run_told = told
            yield self._event("run", data)

    def _tell_build(self, build_id: int) -> Iterator[bytes]:
        """Chunk by chunk, so that a client that connects again can leave out what it has."""
        chunks = BuildLogChunk.objects.filter(build=build_id, pk__gt=self._build_after).order_by("pk")[:BUILD_CHUNKS]
        for chunk in chunks:
            self._build_after = chunk.pk
            yield self._event("build", {"after": chunk.pk, "text": chunk.text})

    def _tell_log(self) -> Iterator[bytes]:
        try:
            part = services.read_log(self._run.get(), self._log, self._offset, LOG_BYTES)
        except NotFound:
            return  # the script may still write it
        text, length = decode_whole(part.data, last=part.complete and part.next_offset >= part.size)
        if not length:
            return
        start, self._offset = self._offset, self._offset + length
        self.behind = part.next_offset < part.size
        told = {"name": self._log, "offset": start, "next_offset": self._offset, "text": text}
        yield self._event("log", told)

    def _event(self, name: str, data: Any) -> bytes:
        return b"id: %d:%d\nevent: %s\ndata: %s\n\n" % (
            self.revision,
            self._offset,
            name.encode(),
            orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS),
        )


def decode_whole(data: bytes, *, last: bool) -> tuple[str, int]:
    """The text of the bytes, and how many bytes that are: a character that is cut at the end waits for its rest.

    What is no UTF-8, and NUL, becomes U+FFFD.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=last)
    waiting, _ = decoder.getstate()
    return text.replace("\0", "\ufffd"), len(data) - len(waiting)
