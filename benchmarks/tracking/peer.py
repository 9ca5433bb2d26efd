"""`mlflow server`, in an environment of its own."""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.tracking.calls import RUNS, Measured, Tracking, measure, memory, say, values
from benchmarks.tracking.stores import Store, analyze, many
from mlportal.demo.process import _free_port

HOME = Path.home() / ".cache" / "mlportal-bench" / "mlflow"
PACKAGES = ("mlflow", "psycopg[binary]")  # what its SQLAlchemy takes for postgresql://


def peer(store: Store, *options: str) -> Measured:
    say(f"mlflow server {' '.join(options)} on {store.name}")
    with tempfile.TemporaryDirectory() as folder:
        url = store.url(f"mlflow{time.monotonic_ns()}", Path(folder))
        with server(Path(folder), url, *options) as (port, pid, ready):
            time.sleep(5)
            at_rest = memory(pid)
            measured = measure(Tracking(port), lambda experiment: fill(url, experiment), lambda: analyze(url))
        return {**measured, "ready": ready, "memory": at_rest}


def fill(url: str, experiment: str) -> None:
    """Into its tables, for its API would take ten minutes."""
    runs = [(uuid.uuid4().hex, number, values(number)) for number in range(RUNS)]
    tags = ("mlflow.user", "mlflow.source.name", "mlflow.runName")
    many(
        url,
        [
            (
                (
                    "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
                    " source_version, lifecycle_stage, artifact_uri, experiment_id)"
                    " VALUES (?, ?, 'UNKNOWN', '', '', 'bench', 'RUNNING', ?, '', 'active', ?, ?)"
                ),
                [
                    (run, f"run {number}", 1_700_000_000_000 + number, f"mlflow-artifacts:/{run}", int(experiment))
                    for run, number, _ in runs
                ],
            ),
            (
                "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (m["key"], m["value"], m["timestamp"], m["step"], False, run)
                    for run, _, logged in runs
                    for m in logged["metrics"]
                ],
            ),
            (
                "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
                [(p["key"], p["value"], run) for run, _, logged in runs for p in logged["params"]],
            ),
            (
                "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
                [(key, "bench", run) for run, _, _ in runs for key in tags],
            ),
        ],
    )


@contextmanager
def server(folder: Path, url: str, *options: str) -> Iterator[tuple[int, int, float]]:
    """Its port, its process and how many seconds it took to be ready."""
    port = _free_port()
    command = [str(HOME / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), *options]
    stores = ["--backend-store-uri", url, "--artifacts-destination", str(folder / "artifacts")]
    began = time.perf_counter()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, *stores], stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - began > 600:
                raise SystemExit(f"mlflow server did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield port, process.pid, time.perf_counter() - began
    finally:
        if process.poll() is None:
            family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.terminate()
            for member in psutil.wait_procs(family, timeout=30)[1]:  # on a busy machine it does not end by itself
                with suppress(psutil.NoSuchProcess):
                    member.kill()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


def install() -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    if not (HOME / "bin" / "python").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(HOME)], check=True)
    python = str(HOME / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--upgrade", "--python", python, *PACKAGES], check=True)
