"""What was told of runs, as JSON, for who asks again: a search's page of a thousand runs tells ten thousand values.

A run's row, metrics, parameters and tags change only with its revision (each of `experiments.services` counts it up in the
same transaction), and what is told is found by the revision, so nothing here is ever out of date, whichever process changed
the run.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any, Final

from django.db import connection

KEY: Final = ("pk", "uid", "revision", "experiment__name", "created_by__username", "parent__uid")
"""The run and its revision, and what it tells of other rows. Its id alone is not enough: a run that is purged and then brought in
again has it, and begins anew to count."""

Key = tuple[Any, ...]
MOST_BYTES: Final = 16_000_000
OF_KEY: Final = 400  # bytes that each key takes, with its place

_texts: OrderedDict[Key, bytes] = OrderedDict()
_lock: Final = Lock()
_bytes = 0


def recall(key: Key) -> bytes | None:
    return _texts.get(key)


def remember(key: Key, text: bytes) -> None:
    """`text` was read after the revision. What was told first is forgotten first."""
    global _bytes
    if connection.in_atomic_block:  # it may be undone, and the same revision then be another one
        return
    with _lock:
        if key in _texts:
            return
        _texts[key] = text
        _bytes += len(text) + OF_KEY
        while _bytes > MOST_BYTES:
            _bytes -= len(_texts.popitem(last=False)[1]) + OF_KEY
