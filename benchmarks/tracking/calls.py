"""The calls that MLflow's client makes, and how long they take."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import psutil

CALLS = 100
ATTEMPTS = 5
BATCHES = 50
CLIENTS = 4
HISTORY = 100_000
RUNS = 10_000
PAGE = 1000
MEGABYTE = 1 << 20
Measured = dict[str, float]


class Tracking:
    """Without the time that MLflow's client takes itself."""

    def __init__(self, port: int, token: str = "", workspace: str = "") -> None:
        self.port, self.token = port, token
        self._base = f"/w/{workspace}" if workspace else ""
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        return self.raw(method, path, json.dumps(body).encode() if body is not None else None)

    def raw(self, method: str, path: str, body: bytes | None = None) -> bytes:
        address = path if path.startswith("/") else f"{self._base}/api/2.0/mlflow/{path}"
        for attempt in range(ATTEMPTS):
            try:
                self._http.request(method, address, body, self._headers)
                answer = self._http.getresponse()
                break
            except (
                ConnectionError
            ):  # an idle connection is closed after some seconds; a busy peer ends a worker now and then
                self._http.close()
                if attempt + 1 == ATTEMPTS:
                    raise
                time.sleep(attempt)
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


def batch(run: str, number: int) -> bytes:
    """A thousand points, as JSON."""
    first = number * 1000
    points = [
        {"key": "loss", "value": step * 0.37, "timestamp": 1_700_000_000_000 + step, "step": step}
        for step in range(first, first + 1000)
    ]
    return json.dumps({"run_id": run, "metrics": points}).encode()


def values(number: int) -> dict[str, Any]:
    """What each of the many runs has logged."""
    scattered = number * 7919 % RUNS / RUNS
    metrics = [{"key": f"m{n}", "value": scattered + n, "timestamp": 1_700_000_000_000, "step": 0} for n in range(3)]
    return {"metrics": metrics, "params": [{"key": f"p{n}", "value": str(number % 10)} for n in range(3)]}


def measure(tracking: Tracking, fill: Callable[[str], None], analyze: Callable[[], None] | None = None) -> Measured:
    """`fill` puts RUNS runs with their `values` into an experiment; `analyze` has the database count its rows."""
    run, long = tracking.new_run(), tracking.new_run()
    found = {"create_run": median_of(CALLS, lambda _: tracking.new_run())}
    found["log_metric"] = median_of(CALLS, lambda step: tracking.ask("POST", "runs/log-metric", one_metric(run, step)))
    bodies = [batch(long, number) for number in range(HISTORY // 1000)]
    began = time.perf_counter()
    for body in bodies[:BATCHES]:
        tracking.raw("POST", "runs/log-batch", body)
    found["logged_metric"] = (time.perf_counter() - began) / (BATCHES * 1000) * 1e6
    for body in bodies[BATCHES:]:
        tracking.raw("POST", "runs/log-batch", body)
    found["logged_metric_of_four"] = from_clients(tracking)
    history = f"metrics/get-history?run_id={long}&metric_key=loss"
    found["history"] = median_of(3, lambda _: tracking.raw("GET", history))
    experiment = tracking.experiment()
    fill(experiment)
    search = {"experiment_ids": [experiment], "order_by": ["metrics.m0 DESC"], "max_results": PAGE}
    found["search"] = median_of(3, lambda _: tracking.ask("POST", "runs/search", search))
    if analyze:
        analyze()
    found["search_analyzed"] = median_of(3, lambda _: tracking.ask("POST", "runs/search", search))
    return found


def one_metric(run: str, step: int) -> dict[str, Any]:
    return {"run_id": run, "key": "m", "value": step / 2, "timestamp": int(time.time() * 1000), "step": step}


def from_clients(tracking: Tracking) -> float:
    """Microseconds for one point, of CLIENTS processes that each log BATCHES batches to a run of their own, at once."""
    here = multiprocessing.get_context("fork")
    start = here.Barrier(CLIENTS + 1)
    runs = [tracking.new_run() for _ in range(CLIENTS)]
    clients = [here.Process(target=_log, args=(tracking.port, tracking.token, run, start)) for run in runs]
    for client in clients:
        client.start()
    start.wait()
    began = time.perf_counter()
    for client in clients:
        client.join()
    seconds = time.perf_counter() - began
    if any(client.exitcode for client in clients):
        raise SystemExit("A client of four was refused.")
    return seconds / (CLIENTS * BATCHES * 1000) * 1e6


def _log(port: int, token: str, run: str, start: Any) -> None:
    tracking = Tracking(port, token)
    bodies = [batch(run, number) for number in range(BATCHES)]
    start.wait()
    for body in bodies:
        tracking.raw("POST", "runs/log-batch", body)


def memory(pid: int) -> float:
    """Proportional memory of a process and all below it, in MB."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return sum(float(process.memory_full_info().pss) for process in family) / MEGABYTE


def say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)
