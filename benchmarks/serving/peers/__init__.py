"""The peers by name, as they are by default. Those that gather requests when told to are measured when asked for, and judge, too.

`bare` and `empty` are no peers: they say what the machine and uvicorn can do.
"""

from __future__ import annotations

from benchmarks.serving.peers.azureml import AzureML
from benchmarks.serving.peers.bare import Bare, Empty
from benchmarks.serving.peers.bentoml import BentoML
from benchmarks.serving.peers.litserve import LitServe
from benchmarks.serving.peers.mlflow import MLflow
from benchmarks.serving.peers.mlserver import MLServer, MLServerGathering
from benchmarks.serving.server import Peer

PEERS: dict[str, type[Peer]] = {each.name: each for each in (MLServer, AzureML, LitServe, BentoML, MLflow)}
GATHERING: dict[str, type[Peer]] = {each.name: each for each in (MLServerGathering,)}
SCALES: dict[str, type[Peer]] = {each.name: each for each in (Bare, Empty)}
