"""Azure's own inference server, which runs an entry script in its images; one gunicorn worker.

The worker has threads: without, it closes each connection after one answer, which makes it slower.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.serving.load import Call
from benchmarks.serving.model import Model
from benchmarks.serving.server import Peer, Rows

SCORE = """import json
import joblib
import numpy

def init():
    global model
    model = joblib.load("model.joblib")

def run(raw_data):
    return model.predict(numpy.array(json.loads(raw_data)["data"])).tolist()
"""


class AzureML(Peer):
    name = "azureml"
    requirements = "azureml"

    def write(self, folder: Path, model: Model) -> None:
        (folder / "model.joblib").write_bytes(model.path.read_bytes())
        (folder / "score.py").write_text(SCORE)

    def command(self, port: int) -> list[str]:
        return ["azmlinfsrv", "--entry_script", "score.py", "--port", str(port)]

    def variables(self, port: int) -> dict[str, str]:
        threads = "--worker-class gthread --threads 4"
        return {"WORKER_COUNT": "1", "AZUREML_MODEL_DIR": ".", "GUNICORN_CMD_ARGS": threads}

    def call(self, rows: Rows) -> Call:
        return Call(self.port, "/score", json.dumps({"data": rows}).encode())
