"""Looks after everything that waits, by one timer for all: a timer for each request would cost more than its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LOOK_SECONDS = 0.1

Watch = Callable[[], Awaitable[None]]


class ClientGone(Exception):
    """The client has left: nobody waits for an answer."""


class Waiting:
    """Something that waits until `deadline` (the loop's time). Each instance is on patrol at most once.

    `late` is called when the time is over. `watch`, if it is given, is a coroutine function that returns when nobody is
    interested any more: then `unwanted` is called. It is started for those that wait longer than a look alone.
    """

    __slots__ = ("deadline", "since", "watch", "watcher")

    def __init__(self, since: float, deadline: float, watch: Watch | None = None) -> None:
        self.since = since
        self.deadline = deadline
        self.watch = watch
        self.watcher: asyncio.Task[None] | None = None

    def late(self) -> None:
        raise NotImplementedError

    def unwanted(self) -> None:
        raise NotImplementedError


class Patrol:
    """Belongs to one event loop. Its timer runs only while something waits."""

    def __init__(self) -> None:
        self._waiting: dict[Waiting, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Waiting) -> None:
        self._waiting[waiting] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def remove(self, waiting: Waiting) -> None:
        del self._waiting[waiting]
        if waiting.watcher is not None:
            waiting.watcher.cancel()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for waiting in self._waiting:
            if now >= waiting.deadline:
                waiting.late()
            elif waiting.watch is not None and waiting.watcher is None and now - waiting.since >= LOOK_SECONDS:
                waiting.watcher = loop.create_task(_watch(waiting, waiting.watch))
        self._timer = loop.call_later(LOOK_SECONDS, self._look) if self._waiting else None


async def _watch(waiting: Waiting, watch: Watch) -> None:
    await watch()
    waiting.unwanted()
