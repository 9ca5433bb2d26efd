"""The live log of a build, with the builder's signs of life and its look at requests to cancel."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any, Self

import uv
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from experiments.models import BuildLogChunk, EnvironmentBuild
from mlportal.processes import STOP

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 0.3


class Journal:
    """Lines go to the database from a thread of its own: a quiet `uv` says nothing for minutes, and must not look dead."""

    def __init__(self, build: EnvironmentBuild) -> None:
        self._build = build
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._canceled = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name=f"journal-{build.pk}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def write(self, line: str) -> None:
        with self._lock:
            self._lines.append(line.rstrip("\n").replace("\0", "\ufffd") + "\n")

    def how(self) -> dict[str, Any]:
        """The arguments that `resolve` and `build` have in common."""
        return {
            "log": self.write,
            "cancelled": self._canceled.is_set,
            "uv": uv.find_uv_bin(),
            "cache_dir": settings.UV_CACHE_DIR,
            "timeout": settings.ENVIRONMENT_BUILD_SECONDS,
        }

    def _write_on(self) -> None:
        try:
            while not self._over.wait(FLUSH_SECONDS):
                self._beat()
            self._beat()
        finally:
            connection.close()

    def _beat(self) -> None:
        with self._lock:
            text, self._lines = "".join(self._lines), []
        try:
            if text:
                BuildLogChunk.objects.create(build=self._build, text=text)
            mine = EnvironmentBuild.objects.filter(pk=self._build.pk)
            mine.update(seen_at=Now())
            if STOP.is_set() or mine.filter(cancel_requested_at__isnull=False).exists():
                self._canceled.set()
        except DatabaseError as error:  # it comes back; the build need not wait for it
            logger.warning("The log of build %s waits: %s", self._build.pk, error)
            connection.close()  # a dead one would stay dead
            with self._lock:
                self._lines.insert(0, text)
