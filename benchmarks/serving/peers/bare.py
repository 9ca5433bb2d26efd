"""No peer, but a scale: what uvicorn does with a model that is called in the event loop, and what it does with none."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.serving.load import Call
from benchmarks.serving.model import Model
from benchmarks.serving.server import Peer, Rows

APP = """import joblib, numpy, orjson

model = joblib.load("model.joblib")

async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    parts = []
    while True:
        message = await receive()
        parts.append(message["body"])
        if not message.get("more_body"):
            break
    data = numpy.array(orjson.loads(b"".join(parts))["data"])
    body = orjson.dumps(model.predict(data), option=orjson.OPT_SERIALIZE_NUMPY)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
EMPTY = """import json

ANSWERS = {b"": json.dumps(LABELS).encode(), b"one": json.dumps(LABELS[:1]).encode()}

async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = ANSWERS[scope["query_string"]]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


class Bare(Peer):
    name = "bare"
    requirements = "bare"

    def write(self, folder: Path, model: Model) -> None:
        (folder / "model.joblib").write_bytes(model.path.read_bytes())
        (folder / "app.py").write_text(APP)

    def command(self, port: int) -> list[str]:
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--lifespan", "off"]
        return ["uvicorn", "app:application", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *options]

    def call(self, rows: Rows) -> Call:
        return Call(self.port, "/", json.dumps({"data": rows}).encode())


class Empty(Bare):
    """Answers what is right without reading what was asked."""

    name = "empty"

    def write(self, folder: Path, model: Model) -> None:
        (folder / "app.py").write_text(f"LABELS = {model.labels}\n{EMPTY}")

    def call(self, rows: Rows) -> Call:
        return Call(self.port, "/?one" if len(rows) == 1 else "/", json.dumps({"data": rows}).encode())
