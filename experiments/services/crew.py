"""What a worker does at a time. What takes long has threads of its own kind: runs never hold up builds, nor builds runs,
and Celery's own threads are left for what is short."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import close_old_connections, connections

logger = logging.getLogger(__name__)
FIRST, THEN = 0, 1
CREWS: list[Crew] = []


class Crew:
    """At most `size` pieces of work at a time; the others wait, those of rank FIRST before the rest.

    What waits already is not taken a second time: a message is only a wake-up, and beat sends it again and again.
    """

    def __init__(self, name: str, size: int) -> None:
        CREWS.append(self)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, Callable[[], None]] = {}
        self._order: list[tuple[int, int, Hashable]] = []
        self._count = itertools.count()

    def do(self, key: Hashable, work: Callable[[], None], *, rank: int = THEN) -> None:
        with self._lock:
            if key in self._waiting:
                return
            self._waiting[key] = work
            heapq.heappush(self._order, (rank, next(self._count), key))
        self._threads.submit(self._do_next)

    def end(self) -> None:
        """Take up nothing more, and wait for what is under way."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _do_next(self) -> None:
        with self._lock:
            _, _, key = heapq.heappop(self._order)
            work = self._waiting.pop(key)
        close_old_connections()
        try:
            work()
        except Exception:  # the edge of the thread: the database still has what was to be done, and beat wakes again
            logger.exception("%s failed.", key)
        finally:
            connections.close_all()


followers = Crew("follower", settings.WORKER_THREADS)
builders = Crew("builder", settings.WORKER_BUILDS)
tidiers = Crew("tidier", 1)
