"""A server that answers as it is told to, byte by byte if need be: for what a real portal does only on a bad day."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass
class Request:
    """What came in. `connection` counts the connections: two requests with the same number used one."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None  # the body breaks off here

    @classmethod
    def json(cls, data: Any, status: int = 200, **headers: str) -> Reply:
        return cls(status, json.dumps(data).encode(), {"Content-Type": "application/json", **headers})

    @classmethod
    def error(cls, status: int, message: str, code: str = "", **headers: str) -> Reply:
        return cls.json({"error": {"code": code, "message": message, "details": {}}}, status, **headers)


Answer = Callable[[Request], Reply]


class FakePortal(socketserver.ThreadingTCPServer):
    """`answer` gets each request; `requests` has them all. `read_bodies=False` answers before it has read a body."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, answer: Answer, *, read_bodies: bool = True, tls: ssl.SSLContext | None = None) -> None:
        self.answer, self.read_bodies, self.tls = answer, read_bodies, tls
        self.requests: list[Request] = []
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port: int = self.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def close_connections(self) -> None:
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what is tried here."""


class _Connection(socketserver.StreamRequestHandler):
    server: FakePortal

    def setup(self) -> None:
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self) -> None:
        self.server.connections.append(self.request)
        number = len(self.server.connections)
        while line := self.rfile.readline().decode().strip():
            method, target, _ = line.split(" ", 2)
            headers: dict[str, str] = {}
            while header := self.rfile.readline().decode("latin-1").strip():
                name, _, value = header.partition(":")
                headers[name.title()] = value.strip()
            length = int(headers.get("Content-Length", 0))
            body = self.rfile.read(length) if self.server.read_bodies else b""
            request = Request(method, target, headers, body, number)
            self.server.requests.append(request)
            reply = self.server.answer(request)
            if not self._send(reply) or (length and not self.server.read_bodies):
                return

    def _send(self, reply: Reply) -> bool:
        """False: the connection is to be closed."""
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        head = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        if reply.cut_at is not None and reply.cut_at < 0:
            return False  # not one byte
        self.wfile.write(head.encode() + b"\r\n" + reply.body[: reply.cut_at])
        return reply.cut_at is None


@contextmanager
def fake_portal(answer: Answer, **options: Any) -> Iterator[FakePortal]:
    with FakePortal(answer, **options) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


CUT = Reply(cut_at=-1)
