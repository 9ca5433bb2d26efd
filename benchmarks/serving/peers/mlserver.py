"""MLServer, the Open Inference Protocol; its models in the process that answers, not in parallel workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.serving.load import Call
from benchmarks.serving.model import Model
from benchmarks.serving.server import Peer, Rows
from mlportal.demo.process import _free_port


class MLServer(Peer):
    name = "mlserver"
    requirements = "mlserver"
    options: ClassVar[dict[str, Any]] = {}

    def write(self, folder: Path, model: Model) -> None:
        (folder / "model.joblib").write_bytes(model.path.read_bytes())
        settings = {
            "host": "127.0.0.1",
            "http_port": self.port,
            "grpc_port": _free_port(),
            "metrics_port": _free_port(),
            "parallel_workers": 0,
            "debug": False,  # no line in its log for each request
            "use_structured_logging": False,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        served = {
            "name": "iris",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib"},
            **self.options,
        }
        (folder / "model-settings.json").write_text(json.dumps(served))

    def command(self, port: int) -> list[str]:
        return ["mlserver", "start", "."]

    def call(self, rows: Rows) -> Call:
        flat = [value for row in rows for value in row]
        tensor = {"name": "x", "shape": [len(rows), 4], "datatype": "FP64", "data": flat}
        return Call(self.port, "/v2/models/iris/infer", json.dumps({"inputs": [tensor]}).encode())

    def labels(self, answer: Any) -> Any:
        return answer["outputs"][0]["data"]


class MLServerGathering(MLServer):
    """With its adaptive batching, which is off by default: rows that come within two milliseconds are predicted at once."""

    name = "mlserver-gathering"
    options: ClassVar[dict[str, Any]] = {"max_batch_size": 16, "max_batch_time": 0.002}
