from __future__ import annotations

import os
import sys

from benchmarks.figures import Figure, report
from benchmarks.tracking.calls import BATCHES, CALLS, CLIENTS, HISTORY, PAGE, RUNS
from benchmarks.tracking.peer import install, peer
from benchmarks.tracking.portal import alone, ours
from benchmarks.tracking.stores import NAMES, store

# How many times less ours has to be than the better of the peer's, the unit, and what it is.
WANTED = {
    "create_run": (4, "ms", f"median of {CALLS}"),
    "log_metric": (5, "ms", f"median of {CALLS}"),
    "logged_metric": (15, "us", f"one of a batch of 1000, {BATCHES} batches from one client"),
    "logged_metric_of_four": (15, "us", f"one of a batch of 1000, {BATCHES} batches from each of {CLIENTS} clients"),
    "history": (15, "ms", f"{HISTORY:,} points as JSON, median of 3"),
    "search": (30, "ms", f"{RUNS:,} runs by a metric, the first {PAGE}, median of 3"),
    "search_analyzed": (15, "ms", "the same after the peer's database has counted its rows (ANALYZE)"),
    "memory": (3, "MB", "proportional, at rest"),
    "ready": (2, "s", "from the command to the first answer"),
}


def main(names: list[str]) -> int:
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    install()
    figures: list[Figure] = []
    for name in names or NAMES:
        with store(name) as where:
            theirs = [peer(where), peer(where, "--workers", "1")]
            best = {figure: min(one[figure] for one in theirs) for figure in theirs[0]}
            mine = ours(where)
            for figure, (times, unit, note) in WANTED.items():
                bar, figure_name = best[figure] / times, f"{name}.{figure}"
                figures.append(Figure(figure_name, mine[figure], bar, unit, peer=best[figure], note=note))
            figures += alone(where)
    return report("tracking", figures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
