"""Connections to one replica: each carries one request at a time, and is thrown away when it did not end well."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from models_registry.serving import protocol
from models_registry.serving.sockets import address_of


class ReplicaAbsent(Exception):
    """Nobody listens: the request was not sent."""


class ReplicaLost(Exception):
    """The connection ended after the request was sent."""


class Connection(asyncio.Protocol):
    """A connection to a model worker, as an asyncio protocol."""

    def __init__(self, max_answer: int) -> None:
        self.decoder = protocol.Decoder(max_answer)
        self.transport: asyncio.Transport | None = None
        self.waiting: asyncio.Future[protocol.Message] | None = None
        self.number = 0

    @property
    def usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # of a stream: always a Transport

    def data_received(self, data: bytes) -> None:
        try:
            messages = self.decoder.feed(data)
        except protocol.ProtocolError as error:
            self._fail(error)
            self.close()
            return
        for message in messages:
            if self.waiting is not None and message.request_id == self.number and not self.waiting.done():
                self.waiting.set_result(message)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._fail(ReplicaLost())

    def _fail(self, error: Exception) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(error)

    async def request(self, method: str, payload: Any) -> protocol.Message:
        """The answer to one request. Raises ReplicaLost, ProtocolError."""
        if self.transport is None:
            raise ReplicaLost
        self.number = (self.number + 1) & 0xFFFFFFFF
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(protocol.encode(self.number, method, payload))
        return await self.waiting

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Pool:
    """At most `size` connections to the replica at `path`, opened when needed."""

    def __init__(self, path: Path, size: int, max_answer: int) -> None:
        self.path = path
        self.max_answer = max_answer
        self.load = 0  # requests here, waiting ones included
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(size)

    async def call(self, method: str, payload: Any) -> protocol.Message:
        """The replica's answer. Raises ReplicaAbsent, ReplicaLost, ProtocolError."""
        self.load += 1
        try:
            async with self._free:
                connection = await self._connection()
                try:
                    answer = await connection.request(method, payload)
                except BaseException:
                    # Also when this caller gave up: an answer that comes later must not meet another request.
                    connection.close()
                    raise
                self._idle.append(connection)
                return answer
        finally:
            self.load -= 1

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        loop = asyncio.get_running_loop()
        try:
            with address_of(self.path) as address:
                _, connection = await loop.create_unix_connection(lambda: Connection(self.max_answer), address)
        except OSError as error:
            raise ReplicaAbsent(str(error)) from error
        return connection

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()
