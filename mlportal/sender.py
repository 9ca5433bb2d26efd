"""Messages to a broker on the network go from a thread of their own: nobody who asks for something waits for a broker.

A message is only a wake-up. What finds no room, or is still unsent when the process ends, is sent again by beat.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Sender:
    """`send(message)` returns at once; `deliver(message)` is called for one after the other and may take its time."""

    def __init__(self, deliver: Callable[..., object], *, room: int = 1000) -> None:
        self._deliver = deliver
        self._waiting: queue.Queue[tuple[object, ...]] = queue.Queue(room)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, *message: object) -> None:
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            logger.warning(
                "The broker is away, and %d messages wait; %r will be sent again.", self._waiting.qsize(), message
            )
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # a forked process has to start its own
                self._thread = threading.Thread(target=self._go_on, name="sender", daemon=True)
                self._thread.start()

    def _go_on(self) -> None:
        while True:
            message = self._waiting.get()
            try:
                self._deliver(*message)
            except Exception:  # the edge of the thread: whatever a broker's library raises, the next message is sent
                logger.exception("%r could not be sent; it will be sent again.", message)
