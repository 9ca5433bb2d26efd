"""What came of copied requests, while the database is away."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from django.db import OperationalError

from models_registry.serving import mirrors
from models_registry.serving.gateway.mirror import Mirrored


def test_counts_wait_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    written: Counter[str] = Counter()
    is_away = True

    def keep(deployment: int, revision: int, counts: Counter[str], rows: Any) -> None:
        if is_away:
            raise OperationalError("it is away")
        written.update(counts)

    monkeypatch.setattr(mirrors, "keep_mirrored", keep)
    buffer = mirrors.MirrorBuffer()
    monkeypatch.setattr(buffer, "_thread", object())  # written here, when it is time
    for service in ("1", "2"):
        buffer.add(Mirrored(service, "7", "iris:1", "iris:2", time.time(), "predict", "same"))
    with pytest.raises(OperationalError):
        buffer.flush()
    buffer.add(Mirrored("1", "7", "iris:1", "iris:2", time.time(), "predict", "dropped"))
    is_away = False
    buffer.flush()
    assert written == {"same": 2, "dropped": 1}
