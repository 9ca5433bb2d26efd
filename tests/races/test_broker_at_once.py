"""The filesystem broker with readers who look at any moment: a message is there whole, and is taken once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

import kombu
import pytest

from mlportal import broker
from tests.races.conftest import at_once

MESSAGES, READERS = 600, 3


@pytest.fixture
def channel(tmp_path: Path) -> Callable[[], Any]:
    """A channel of a connection of its own, as another process would have."""
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
    }
    broker.register()
    return lambda: kombu.Connection("filesystem://", transport_options=options).channel()


def test_every_message_is_read_whole_and_once(channel: Callable[[], Any], tmp_path: Path) -> None:
    read: list[int] = []
    sent = threading.Event()

    def write() -> list[int]:
        mine = channel()
        for number in range(MESSAGES):
            mine._put("q", {"number": number, "body": "x" * 300})
            time.sleep(0)  # the readers have emptied the queue, and look again just as the next one is written
        sent.set()
        return []

    def reader() -> list[int]:
        mine, found = channel(), []
        while True:
            last_look = sent.is_set()
            try:
                found.append(mine._get("q")["number"])
            except Empty:
                if last_look:
                    return found

    for numbers in at_once([write, *[reader] * READERS]):
        read += numbers
    assert sorted(read) == list(range(MESSAGES))
    assert not list((tmp_path / "queue").iterdir())
