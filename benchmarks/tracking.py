"""Tracking, beside `mlflow server`: the same calls, by the same client code, to both, in turn.

    python -m benchmarks.tracking

The peer is the newest MLflow of PyPI, in an environment of its own, on SQLite, with its defaults and again with one worker,
which is its best setting: the better of the two counts. The bars are those of the issue that asked for the API.
"""

from __future__ import annotations

import http.client
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import Figure, report
from mlportal.demo.process import OwnPortal, _free_port

PEER_HOME = Path.home() / ".cache" / "mlportal-bench" / "mlflow"
CALLS = 100
BATCHES = 50
HISTORY = 100_000
RUNS = 10_000
PAGE = 1000
MEGABYTE = 1 << 20
Measured = dict[str, float]


class Tracking:
    """The calls that MLflow's client makes, without the time that it takes itself."""

    def __init__(self, port: int, token: str = "") -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        self._http.request(
            method, f"/api/2.0/mlflow/{path}", json.dumps(body) if body is not None else None, self._headers
        )
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {content[:500]!r}")
        return content

    def new_run(self, experiment: str = "0") -> str:
        tags = [{"key": "mlflow.user", "value": "bench"}, {"key": "mlflow.source.name", "value": "bench.py"}]
        body = {"experiment_id": experiment, "start_time": int(time.time() * 1000), "tags": tags}
        run_id: str = json.loads(self.ask("POST", "runs/create", body))["run"]["info"]["run_id"]
        return run_id

    def experiment(self) -> str:
        made: str = json.loads(self.ask("POST", "experiments/create", {"name": uuid.uuid4().hex}))["experiment_id"]
        return made


def median_of(times: int, call: Callable[[int], object]) -> float:
    """Milliseconds."""
    seconds = []
    for number in range(times):
        began = time.perf_counter()
        call(number)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def batch(run: str, number: int) -> dict[str, Any]:
    points = [
        {
            "key": "loss",
            "value": step * 0.37,
            "timestamp": 1_700_000_000_000 + number * 1000 + step,
            "step": number * 1000 + step,
        }
        for step in range(1000)
    ]
    return {"run_id": run, "metrics": points}


def measure(tracking: Tracking, fill: Callable[[str], None]) -> Measured:
    run, long = tracking.new_run(), tracking.new_run()
    found = {"create_run": median_of(CALLS, lambda _: tracking.new_run())}
    found["log_metric"] = median_of(
        CALLS,
        lambda step: tracking.ask(
            "POST",
            "runs/log-metric",
            {"run_id": run, "key": "m", "value": step / 2, "timestamp": int(time.time() * 1000), "step": step},
        ),
    )
    bodies = [batch(long, number) for number in range(HISTORY // 1000)]
    began = time.perf_counter()
    for body in bodies[:BATCHES]:
        tracking.ask("POST", "runs/log-batch", body)
    found["logged_metric"] = (time.perf_counter() - began) / (BATCHES * 1000) * 1e6
    for body in bodies[BATCHES:]:
        tracking.ask("POST", "runs/log-batch", body)
    history = f"metrics/get-history?run_id={long}&metric_key=loss"
    found["history"] = median_of(3, lambda _: tracking.ask("GET", history))
    experiment = tracking.experiment()
    fill(experiment)
    search = {"experiment_ids": [experiment], "order_by": ["metrics.m0 DESC"], "max_results": PAGE}
    found["search"] = median_of(3, lambda _: tracking.ask("POST", "runs/search", search))
    return found


def memory(pid: int) -> float:
    """Proportional memory of a process and all below it, in MB."""
    parent = psutil.Process(pid)
    return (
        sum(float(process.memory_full_info().pss) for process in [parent, *parent.children(recursive=True)]) / MEGABYTE
    )


def ours() -> Measured:
    say("the portal")
    with OwnPortal() as first:  # its static files are compressed once and for all
        first.stop()
        began = time.perf_counter()
        first.start()
        ready = time.perf_counter() - began
        time.sleep(5)
        at_rest = memory(first.pid)
        tracking = Tracking(int(first.bind.rpartition(":")[2]), first.token())

        def fill(experiment: str) -> None:
            for number in range(RUNS):
                run = tracking.new_run(experiment)
                tracking.ask("POST", "runs/log-batch", {"run_id": run, **values(number)})

        return {**measure(tracking, fill), "ready": ready, "memory": at_rest}


def values(number: int) -> dict[str, Any]:
    """What each of the many runs has logged."""
    scattered = number * 7919 % RUNS / RUNS
    metrics = [{"key": f"m{n}", "value": scattered + n, "timestamp": 1_700_000_000_000, "step": 0} for n in range(3)]
    return {"metrics": metrics, "params": [{"key": f"p{n}", "value": str(number % 10)} for n in range(3)]}


def peer(*options: str) -> Measured:
    say(f"mlflow server {' '.join(options)}")
    with tempfile.TemporaryDirectory() as folder, server(Path(folder), *options) as (port, pid, ready):
        time.sleep(5)
        at_rest = memory(pid)

        def fill(experiment: str) -> None:
            """Into its tables, for its API would take ten minutes."""
            with sqlite3.connect(Path(folder) / "mlflow.db", timeout=60) as database:
                for number in range(RUNS):
                    run, logged = uuid.uuid4().hex, values(number)
                    database.execute(
                        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
                        " source_version, lifecycle_stage, artifact_uri, experiment_id)"
                        " VALUES (?, ?, 'UNKNOWN', '', '', 'bench', 'RUNNING', ?, '', 'active', ?, ?)",
                        (run, f"run {number}", 1_700_000_000_000 + number, f"mlflow-artifacts:/{run}", int(experiment)),
                    )
                    database.executemany(
                        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, 0, ?)",
                        [(m["key"], m["value"], m["timestamp"], m["step"], run) for m in logged["metrics"]],
                    )
                    database.executemany(
                        "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
                        [(p["key"], p["value"], run) for p in logged["params"]],
                    )
                    database.executemany(
                        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
                        [(key, "bench", run) for key in ("mlflow.user", "mlflow.source.name", "mlflow.runName")],
                    )

        return {**measure(Tracking(port), fill), "ready": ready, "memory": at_rest}


@contextmanager
def server(folder: Path, *options: str) -> Iterator[tuple[int, int, float]]:
    """Its port, its process and how many seconds it took to be ready."""
    port = _free_port()
    command = [str(PEER_HOME / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), *options]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    began = time.perf_counter()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, *stores], stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass
            if process.poll() is not None or time.perf_counter() - began > 180:
                raise SystemExit(f"mlflow server did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield port, process.pid, time.perf_counter() - began
    finally:
        if process.poll() is None:
            for member in psutil.Process(process.pid).children(recursive=True):
                member.terminate()
            process.terminate()
        process.wait(30)


def install_peer() -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    if not (PEER_HOME / "bin" / "python").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(PEER_HOME)], check=True)
    python = str(PEER_HOME / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--upgrade", "--python", python, "mlflow"], check=True)


def main() -> int:
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    install_peer()
    theirs = [peer(), peer("--workers", "1")]
    best = {name: min(one[name] for one in theirs) for name in theirs[0]}
    mine = ours()
    wanted = {
        "create_run": (4, "ms", f"median of {CALLS}"),
        "log_metric": (5, "ms", f"median of {CALLS}"),
        "logged_metric": (15, "us", f"one of a batch of 1000, {BATCHES} batches from one client"),
        "history": (15, "ms", f"{HISTORY:,} points as JSON, median of 3"),
        "search": (30, "ms", f"{RUNS:,} runs by a metric, the first {PAGE}, median of 3"),
        "memory": (3, "MB", "proportional, at rest"),
        "ready": (2, "s", "from the command to the first answer"),
    }
    return report(
        "tracking",
        [
            Figure(name, mine[name], best[name] / times, unit, peer=best[name], note=note)
            for name, (times, unit, note) in wanted.items()
        ],
    )


def say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
