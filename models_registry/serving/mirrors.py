"""What came of copied requests, on its way into the database: counted, and the newest disagreements kept."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime

from django.conf import settings
from django.db import DatabaseError, OperationalError, connection

from mlportal.texts import storable
from models_registry.models import Disagreement
from models_registry.services.disagreements import keep_mirrored
from models_registry.serving.gateway.mirror import Mirrored

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 1.0
EXCERPT_CHARACTERS = 2000
Key = tuple[int, int]  # (deployment, revision)


class MirrorBuffer:
    """Written by a thread every second; bounded, whatever the load."""

    def __init__(self) -> None:
        self._counts: defaultdict[Key, Counter[str]] = defaultdict(Counter)
        self._rows: dict[Key, deque[Disagreement]] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, said: Mirrored) -> None:
        key = int(said.deployment_id), int(said.revision)
        with self._lock:
            self._counts[key][said.outcome] += 1
            if said.what:
                rows = self._rows.setdefault(key, deque(maxlen=settings.SERVICE_DISAGREEMENTS))
                rows.append(_row(key, said))
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="mirrors", daemon=True)
                self._thread.start()
        self._wake.set()

    def flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, defaultdict(Counter)
            rows, self._rows = self._rows, {}
        while counts:
            key, counted = counts.popitem()
            try:
                keep_mirrored(*key, counted, list(rows.get(key, ())))
            except OperationalError:  # the database is away: what was counted is not forgotten
                with self._lock:
                    for each, number in ((key, counted), *counts.items()):
                        self._counts[each].update(number)
                raise

    def _write_on(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                self.flush()
            except DatabaseError as error:  # serving does not wait for it
                logger.warning("Copied requests were not counted: %s", error)
            except Exception:  # the edge of the thread: without it nothing would be counted any more
                logger.exception("Copied requests were not counted.")
            finally:
                connection.close()
            time.sleep(FLUSH_SECONDS)


def _row(key: Key, said: Mirrored) -> Disagreement:
    return Disagreement(
        deployment_id=key[0],
        revision_id=key[1],
        at=datetime.fromtimestamp(said.time, UTC),
        version=said.version,
        candidate=said.candidate,
        method=storable(said.method)[:60],
        what=storable(said.what)[:500],
        request=storable(said.request)[:EXCERPT_CHARACTERS],
        answer=storable(said.answer)[:EXCERPT_CHARACTERS],
        other=storable(said.other)[:EXCERPT_CHARACTERS],
    )
