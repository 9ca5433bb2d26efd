"""BentoML: one worker; nothing is written but in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.serving.load import Call
from benchmarks.serving.model import Model
from benchmarks.serving.server import Peer, Rows

SERVICE = """import bentoml
import joblib
import numpy

@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Iris:
    def __init__(self):
        self.model = joblib.load("model.joblib")

    @bentoml.api
    def predict(self, data: list[list[float]]) -> list[int]:
        return self.model.predict(numpy.array(data)).tolist()
"""


class BentoML(Peer):
    name = "bentoml"
    requirements = "bentoml"

    def write(self, folder: Path, model: Model) -> None:
        (folder / "model.joblib").write_bytes(model.path.read_bytes())
        (folder / "service.py").write_text(SERVICE)

    def command(self, port: int) -> list[str]:
        return ["bentoml", "serve", "service:Iris", "--host", "127.0.0.1", "--port", str(port)]

    def variables(self, port: int) -> dict[str, str]:
        return {"BENTOML_HOME": "bentoml", "BENTOML_DO_NOT_TRACK": "True"}

    def call(self, rows: Rows) -> Call:
        return Call(self.port, "/predict", json.dumps({"data": rows}).encode())
