"""Many at once on one real database file (or on the server that DATABASE_URL names)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection

from tests.experiments.conftest import (  # noqa: F401
    built,
    queued,
    running,
    submit,
    target,
    tiny_lock,
    upload,
    version,
)

T = TypeVar("T")


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """What the calls answer, each from a thread and a connection of its own, all let go at the same moment."""
    calls = list(calls)
    gate = threading.Barrier(len(calls))

    def work(call: Callable[[], T]) -> T:
        try:
            gate.wait(30)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(work, calls))


def wins(call: Callable[[], Any], *losses: type[Exception]) -> bool:
    """Whether the call came through; the errors of a lost race are no failures."""
    try:
        call()
    except losses:
        return False
    return True
