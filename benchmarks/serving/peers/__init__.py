"""The peers by name. `bare` and `empty` are none: they say what the machine and uvicorn can do."""

from __future__ import annotations

from benchmarks.serving.peers.bare import Bare, Empty
from benchmarks.serving.peers.mlserver import MLServer
from benchmarks.serving.server import Peer

PEERS: dict[str, type[Peer]] = {each.name: each for each in (MLServer,)}
SCALES: dict[str, type[Peer]] = {each.name: each for each in (Bare, Empty)}
