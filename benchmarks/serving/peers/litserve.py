"""LitServe: one worker beside the process that answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.serving.load import Call
from benchmarks.serving.model import Model
from benchmarks.serving.server import Peer, Rows

APP = """import sys
import joblib
import litserve
import numpy

class Iris(litserve.LitAPI):
    def setup(self, device):
        self.model = joblib.load("model.joblib")

    def decode_request(self, request):
        return numpy.array(request["data"])

    def predict(self, rows):
        return self.model.predict(rows)

    def encode_response(self, labels):
        return {"labels": labels.tolist()}

if __name__ == "__main__":
    server = litserve.LitServer(Iris(), accelerator="cpu", workers_per_device=1, timeout=False)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="error", generate_client_file=False,
               access_log=False)
"""


class LitServe(Peer):
    name = "litserve"
    requirements = "litserve"

    def write(self, folder: Path, model: Model) -> None:
        (folder / "model.joblib").write_bytes(model.path.read_bytes())
        (folder / "app.py").write_text(APP)

    def command(self, port: int) -> list[str]:
        return ["python", "app.py", str(port)]

    def call(self, rows: Rows) -> Call:
        return Call(self.port, "/predict", json.dumps({"data": rows}).encode())

    def labels(self, answer: Any) -> Any:
        return answer["labels"]
