"""The portal's side, and what is measured of the portal alone."""

from __future__ import annotations

import json
import time
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.tracking.calls import RUNS, Measured, Tracking, batch, measure, median_of, memory, say, values
from benchmarks.tracking.stores import Store
from mlportal.demo.process import OwnPortal

SERIES_POINTS = 1000
INGESTED = 10_000_000
WARM = 1_000_000  # points after which the memory of the ingestion is taken for the first time


def ours(store: Store) -> Measured:
    say(f"the portal on {store.name}")
    with portal(store) as first:  # its static files are compressed once and for all
        first.stop()
        began = time.perf_counter()
        first.start()
        ready = time.perf_counter() - began
        time.sleep(5)
        at_rest = memory(first.pid)
        tracking = connect(first)

        def fill(experiment: str) -> None:
            for number in range(RUNS):
                run = tracking.new_run(experiment)
                tracking.ask("POST", "runs/log-batch", {"run_id": run, **values(number)})

        return {**measure(tracking, fill), "ready": ready, "memory": at_rest}


def alone(store: Store) -> list[Figure]:
    """What MLflow has nothing of: a chart's thinned series, and the memory of a long ingestion."""
    say(f"the portal alone, {INGESTED:,} points")
    with portal(store) as own:
        tracking = connect(own)
        run = tracking.new_run()
        for number in range(100):
            tracking.raw("POST", "runs/log-batch", batch(run, number))
        series = f"/api/v1/workspaces/default/runs/{run}/metrics/series/?name=loss&points={SERIES_POINTS}"
        thinned = median_of(5, lambda _: tracking.raw("GET", series))
        assert json.loads(tracking.raw("GET", series))["loss"]["count"] == 100_000
        first = 0.0
        for number in range(INGESTED // 1000):
            if number % 1000 == 0:
                run = tracking.new_run()
            tracking.raw("POST", "runs/log-batch", batch(run, number % 1000))
            if number == WARM // 1000:
                first = memory(own.pid)
        last = memory(own.pid)
    return [
        Figure(f"{store.name}.series", thinned, 100, "ms", note="100,000 points thinned to 1000, median of 5"),
        Figure(
            f"{store.name}.ingestion_memory",
            last / first,
            1.2,
            "x",
            note=f"proportional memory after {INGESTED:,} points ({last:.0f} MB) by that after {WARM:,} ({first:.0f} MB)",
        ),
    ]


def portal(store: Store) -> OwnPortal:
    made = OwnPortal()
    if store.name != "sqlite":
        made.variables["DATABASE_URL"] = store.url(f"portal{time.monotonic_ns()}", Path())
    return made


def connect(own: OwnPortal) -> Tracking:
    return Tracking(int(own.bind.rpartition(":")[2]), own.token())
