"""Clients that send headers without end, or take no answers, at a real uvicorn."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from mlportal.http_limits import LimitedProtocol

LARGE = 30_000_000
ended: list[str] = []


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body; on /large with pieces of a large one, as many as are taken."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/large":
        body = b"x" * LARGE
    if scope["path"] == "/at-once" and scope["extensions"]["mlportal.answer"](b"x-a: b\r\n", body):
        return
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    for at in range(0, len(body) or 1, 1 << 18):
        await send(
            {"type": "http.response.body", "body": body[at : at + (1 << 18)], "more_body": at + (1 << 18) < len(body)}
        )
    ended.append(scope["path"])


@pytest.fixture
def port(settings: Any) -> Iterator[int]:
    settings.HEADER_BYTES, settings.SLOW_CLIENT_SECONDS = 10_000, 1.5
    config = uvicorn.Config(
        application, port=0, http=LimitedProtocol, loop="uvloop", lifespan="off", log_level="critical",
        timeout_keep_alive=1, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def all_of(connection: socket.socket) -> bytes:
    """Until the server closes."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def test_an_answer_in_one_write_is_as_any_other(port: int) -> None:
    request = b"POST /at-once HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n"
    with connect(port) as connection:
        connection.sendall((request + b"\r\nab") * 2 + request + b"connection: close\r\n\r\ncd")
        first, second, last = all_of(connection).split(b"HTTP/1.1 200 OK\r\n")[1:]
    for answer in (first, second):
        head, _, body = answer.partition(b"\r\n\r\n")
        names = [line.partition(b": ")[0] for line in head.split(b"\r\n")]
        assert (names[0], names[-2:], body) == (b"date", [b"x-a", b"content-length"], b"ab")
    assert b"connection: close" in last and last.endswith(b"\r\n\r\ncd")


def test_a_request_for_the_headers_alone_is_answered_by_headers_alone(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"HEAD /at-once HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab" * 2)
        answers = all_of(connection).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert len(answers) == 2 and all(answer.endswith(b"content-length: 2\r\n\r\n") for answer in answers)


def test_requests_one_after_the_other_are_answered_on_one_connection(port: int) -> None:
    with connect(port) as connection:
        for body in (b"a", b"", b"bc" * 40_000):
            connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            answer = b""
            while not answer.endswith(b"\r\n\r\n" + body):
                answer += connection.recv(1 << 16)
        assert all_of(connection) == b""  # kept alive for a second, then closed


def test_requests_that_are_sent_together_are_answered_in_order(port: int) -> None:
    with connect(port) as connection:
        requests = [b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n%d" % number for number in range(5)]
        connection.sendall(b"".join(requests))
        assert [part[-1:] for part in all_of(connection).split(b"HTTP/1.1 200 OK")[1:]] == [
            b"0",
            b"1",
            b"2",
            b"3",
            b"4",
        ]


@pytest.mark.parametrize("piece", [b"x" * 5000, b"x-a: b\r\n" * 50], ids=["one", "many"])
def test_headers_without_end_are_refused(port: int, piece: bytes) -> None:
    sent = 0
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx-b: ")
        with contextlib.suppress(ConnectionError):
            while sent < 50_000_000:
                sent += connection.send(piece)
        assert sent < 50_000_000
        assert all_of(connection)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")


def test_requests_without_end_on_one_connection_are_refused(port: int) -> None:
    with connect(port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 3000)
        assert all_of(connection).count(b"HTTP/1.1 200") <= 101 * 3


def test_headers_that_are_too_large_are_told_the_limit(port: int) -> None:
    with connect(port) as connection:
        for _ in range(4):
            connection.sendall(b"GET / HTTP/1.1\r\nx-a: " + b"x" * 4000 if _ == 0 else b"x" * 4000)
            time.sleep(0.1)
        answer = all_of(connection)
    assert answer.startswith(b"HTTP/1.1 431") and b"10000 bytes (MLPORTAL_HEADERS)" in answer


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nx-a"])
def test_who_sends_no_request_is_not_waited_for(port: int, begin: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(begin)
        assert all_of(connection) == b""


def test_who_takes_no_answer_is_not_waited_for(port: int) -> None:
    ended.clear()
    with connect(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        deadline = time.monotonic() + 20
        while not ended and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ended == ["/large"]  # more than any buffer takes: its pieces waited for a client that is given up


def test_a_slow_client_that_takes_its_answer_gets_it_whole(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        parts, began = [], time.monotonic()
        while part := connection.recv(1 << 20):
            parts.append(part)
            if time.monotonic() - began < 3:
                time.sleep(0.1)
    assert b"".join(parts).endswith(b"x" * LARGE)
