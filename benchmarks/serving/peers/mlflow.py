"""`mlflow models serve`, in the environment that it is in; one worker."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.serving.load import Call
from benchmarks.serving.model import Model
from benchmarks.serving.server import Peer, Rows

SAVE = """import sys
import joblib
import mlflow.sklearn
mlflow.sklearn.save_model(joblib.load(sys.argv[1]), "model", pip_requirements=[], serialization_format="cloudpickle")
"""


class MLflow(Peer):
    name = "mlflow"
    requirements = "mlflow"

    def write(self, folder: Path, model: Model) -> None:
        command = [str(self.python), "-c", SAVE, str(model.path)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    def command(self, port: int) -> list[str]:
        options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        return ["mlflow", "models", "serve", "--model-uri", "model", *options]

    def variables(self, port: int) -> dict[str, str]:
        return {"MLFLOW_DISABLE_TELEMETRY": "true", "UVICORN_ACCESS_LOG": "false"}

    def call(self, rows: Rows) -> Call:
        return Call(self.port, "/invocations", json.dumps({"inputs": rows}).encode())

    def labels(self, answer: Any) -> Any:
        return answer["predictions"]
