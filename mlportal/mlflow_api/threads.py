"""Threads that hold a connection to the database each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """The one that worked last works next. Its connection is warm: the database has planned what clients ask, and has their
    rows at hand; a pool of the standard library takes its threads in turns, and keeps all of them lukewarm.

    Belongs to one event loop.
    """

    def __init__(self, most: int, name: str) -> None:
        self._idle = [
            ThreadPoolExecutor(1, thread_name_prefix=name) for _ in range(most)
        ]  # none starts before it works
        self._free = asyncio.Semaphore(most)

    async def run(self, work: Callable[[], T]) -> T:
        """Its result or exception. Who no longer waits for it does not end it."""
        await self._free.acquire()
        thread = self._idle.pop()
        done = asyncio.get_running_loop().run_in_executor(thread, work)
        done.add_done_callback(partial(self._put_back, thread))
        return await asyncio.shield(done)

    def _put_back(self, thread: ThreadPoolExecutor, done: asyncio.Future[T]) -> None:
        if not done.cancelled():
            done.exception()  # nobody may wait for it
        self._idle.append(thread)
        self._free.release()
