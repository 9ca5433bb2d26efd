"""How a replica is asked for its health: on a connection of its own, without waiting."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from models_registry.serving.worker import protocol
from models_registry.serving.worker.sockets import address_of


class Probe:
    """One question to a model worker."""

    def __init__(self, connection: socket.socket, method: str) -> None:
        self.connection = connection
        self.broken = False
        self._decoder = protocol.Decoder()
        connection.send(protocol.encode(1, method, None))

    @classmethod
    def begin(cls, path: Path, method: str) -> Probe | None:
        """A probe, or None while nobody listens at `path`."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            with address_of(path) as address:
                connection.connect(address)
            return cls(connection, method)
        except OSError:
            connection.close()
            return None

    def answer(self) -> dict[str, Any] | None:
        try:
            data = self.connection.recv(1 << 20)
            messages = self._decoder.feed(data)
        except BlockingIOError:
            return None
        except (OSError, protocol.ProtocolError):
            self.broken = True
            return None
        self.broken = not data
        return messages[0].payload if messages and isinstance(messages[0].payload, dict) else None

    def close(self) -> None:
        self.connection.close()
