"""Sending from a thread of its own: who sends never waits, and what cannot be sent stops nothing."""

from __future__ import annotations

import os
import threading
import time

import pytest

from mlportal.sender import Sender
from tests.portal import wait_until


def test_who_sends_does_not_wait_and_the_order_stays() -> None:
    gate, delivered = threading.Event(), []

    def slow(number: int) -> None:
        gate.wait(20)
        delivered.append(number)

    sender = Sender(slow)
    began = time.monotonic()
    for number in range(100):
        sender.send(number)
    assert time.monotonic() - began < 0.5
    assert delivered == []
    gate.set()
    wait_until(lambda: delivered == list(range(100)), what="all is delivered")


def test_what_finds_no_room_is_dropped_and_told(caplog: pytest.LogCaptureFixture) -> None:
    gate, begun, delivered = threading.Event(), threading.Event(), []

    def slow(number: int) -> None:
        begun.set()
        gate.wait(20)
        delivered.append(number)

    sender = Sender(slow, room=2)
    sender.send(0)
    assert begun.wait(20)
    for number in (1, 2, 3, 4):
        sender.send(number)
    gate.set()
    wait_until(lambda: len(delivered) == 3, what="what had room is delivered")
    assert delivered == [0, 1, 2]
    assert caplog.text.count("will be sent again") == 2


def test_an_error_does_not_end_the_sending(caplog: pytest.LogCaptureFixture) -> None:
    delivered = []

    def sometimes(number: int) -> None:
        if number == 1:
            raise RuntimeError("a broker's library fell over")
        delivered.append(number)

    sender = Sender(sometimes)
    for number in (0, 1, 2):
        sender.send(number)
    wait_until(lambda: delivered == [0, 2], what="the others are delivered")
    assert "fell over" in caplog.text


def test_a_forked_process_sends_too() -> None:
    """The portal forks its processes; threads do not come along."""
    read, write = os.pipe()
    sender = Sender(lambda word: os.write(write, str(word).encode()))
    sender.send("parent ")
    assert os.read(read, 100) == b"parent "
    child = os.fork()
    if child == 0:
        sender.send("child")
        time.sleep(5)
        os._exit(0)
    try:
        os.set_blocking(read, False)
        wait_until(lambda: _read(read) == b"child", seconds=4, what="the child's word")
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 100)
    except BlockingIOError:
        return b""
