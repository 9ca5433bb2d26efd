"""From a body to what a model is asked: here for small ones, in a process aside for large ones.

To read 16 MB of JSON takes half a second, in which Python lets nothing else run, other threads included. So large bodies
are read by a process of their own, one after the other, and small requests beside them do not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np

from models_registry.serving.gateway import errors
from models_registry.serving.gateway.formats import Call
from models_registry.serving.gateway.patrol import ClientGone, Patrol, Waiting, Watch
from models_registry.serving.gateway.tabular import payload_of
from models_registry.serving.worker import protocol

ASIDE_BYTES = 200_000
METHOD_CHARACTERS = 60  # a name on the way to a model has at most 255 bytes
BODIES = 100  # then the process is made anew, without the memory that it has not given back
PR_SET_PDEATHSIG = 1


class Understood(NamedTuple):
    """`payload` is what a Dispatcher takes; `write` makes the body of the answer."""

    method: str
    payload: Any
    rows: int
    write: Callable[[Any], bytes]


def understand(
    read: Callable[..., Call], given: tuple[Any, ...], describe: Mapping[str, Any], max_rows: int
) -> Understood:
    """Raises BadInput, NoMethod, TooManyRows; their `asked` is the method, where that is known."""
    call = read(*given)
    method = call.method or describe.get("default_method") or "predict"
    methods = describe.get("methods")
    if len(method) > METHOD_CHARACTERS or (methods is not None and method not in methods):
        raise errors.NoMethod(
            f"The model has no method {method[:METHOD_CHARACTERS]}", methods=None if methods is None else list(methods)
        )
    try:
        payload, rows = payload_of(call.table, describe, max_rows)
    except errors.GatewayError as error:
        error.asked = method
        raise
    return Understood(method, payload, rows, call.write)


def understand_aside(
    read: Callable[..., Call], given: tuple[Any, ...], describe: Mapping[str, Any], max_rows: int
) -> Understood:
    """The same in the process aside: what is no array is made ready to be sent, which takes as long as to read it."""
    found = understand(read, given, describe, max_rows)
    if isinstance(found.payload, np.ndarray):
        return found
    return found._replace(payload=protocol.body_of(found.payload))


class Turn(Waiting):
    """A large body, until it is read: that takes of the time for the request, and nobody reads it for a client that left."""

    __slots__ = ("error", "reading", "seconds")

    def __init__(self, since: float, seconds: float, watch: Watch) -> None:
        super().__init__(since, since + seconds, watch)
        self.seconds = seconds
        self.reading: asyncio.Future[Any] | None = None
        self.error: Exception | None = None

    def late(self) -> None:
        self._end(
            errors.DeadlineExceeded(
                f"The body was not read within {self.seconds:g} s (MLPORTAL_SERVICE_TIMEOUT): large ones are read one after"
                " the other",
                limit=self.seconds,
            )
        )

    def unwanted(self) -> None:
        self._end(ClientGone())

    def _end(self, error: Exception) -> None:
        if self.reading is not None and not self.reading.done():
            self.error = error
            self.reading.cancel()


class Aside:
    """The process aside; started by the first large body, ends with this process."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, turn: Turn, patrol: Patrol, function: Callable[..., Any], *given: Any) -> Any:
        """Raises NotReady when the process ended meanwhile, DeadlineExceeded, ClientGone, and what the function raises."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=_begin, max_tasks_per_child=BODIES
            )
        pool = self._pool
        patrol.add(turn)
        try:
            turn.reading = asyncio.get_running_loop().run_in_executor(pool, function, *given)
            return await turn.reading
        except asyncio.CancelledError:
            if turn.error is None:
                raise
            raise turn.error from None
        except BrokenProcessPool:
            if self._pool is pool:
                self.close()
            raise errors.NotReady("The process that reads large bodies ended; send the request again") from None
        finally:
            patrol.remove(turn)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: it is meant for the process that started this one
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
