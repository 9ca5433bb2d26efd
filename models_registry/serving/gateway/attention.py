"""How the event loop waits: a processor that sleeps may need longer to wake than a small model to answer.

Where such a wait was short the last time, the loop asks again and again for a moment before it sleeps, as the kernel's halt
polling does (and the model worker, see worker/server.py), and leaves the processor to whoever wants it.
"""

from __future__ import annotations

import asyncio
import os
from time import perf_counter

SHORT_SECONDS = 0.0004


class Attention:
    """Belongs to one event loop. Told of every request of a caller and every answer of a model."""

    __slots__ = ("_answers_soon", "_callers_soon", "_heard_at", "_loop", "is_asking")

    def __init__(self) -> None:
        self._heard_at = 0.0
        # Whether the last of them came shortly after what was heard before it.
        self._callers_soon = self._answers_soon = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_asking = os.cpu_count() == 1  # then nobody could do anything meanwhile

    def request_came(self) -> None:
        """From a caller; what comes next is the answer of a model."""
        now = perf_counter()
        self._callers_soon = now - self._heard_at < SHORT_SECONDS
        self._heard_at = now
        if self._answers_soon and not self.is_asking:
            self._begin()

    def answer_came(self) -> None:
        """From a model; what comes next is another request, if somebody sends one."""
        now = perf_counter()
        self._answers_soon = now - self._heard_at < SHORT_SECONDS
        self._heard_at = now
        if self._callers_soon and not self.is_asking:
            self._begin()

    def _begin(self) -> None:
        self.is_asking = True
        self._loop = self._loop or asyncio.get_running_loop()
        self._loop.call_soon(self._ask)

    def _ask(self) -> None:
        if perf_counter() - self._heard_at < SHORT_SECONDS and self._loop is not None:
            os.sched_yield()
            self._loop.call_soon(self._ask)
        else:
            self.is_asking = False
