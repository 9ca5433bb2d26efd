"""How long the first page of the runs table takes on the server, for every filter by one key and every order by one.

    python -m benchmarks.runs_table              over 1,000, 10,000 and 100,000 runs
    python -m benchmarks.runs_table 10000        over so many
    python -m benchmarks.runs_table postgresql   on PostgreSQL, a server of its own; the processor's time is that of both, on Linux

Each in a database of its own that `benchmarks.many_runs` fills; the whole page is asked for by Django's test client,
as a member of the workspace. `RUNS_TABLE_HOME` names a home that is filled already; `RUNS_TABLE_EACH`
how often each is asked for (5).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.figures import Figure, report
from benchmarks.tracking.stores import Store, store

ROOT = Path(__file__).resolve().parent.parent
COUNTS = (1_000, 10_000, 100_000)
BAR = 150.0  # milliseconds
EACH = int(os.environ.get("RUNS_TABLE_EACH", "5"))
KINDS = ("", "_cpu")  # by the clock, and of the processor alone: on a busy machine that one still says something
EXPERIMENTS = ("sweep", "few")
FILTERS = (
    "",
    "metrics.accuracy > 0.9",
    "min(metrics.loss) < 0.5",
    "metrics.loss < 0.001",
    "metrics.nothing > 1",
    "params.kernel = 'rbf'",
    "params.C LIKE '%1'",
    "params.seed = '77'",
    "tags.team = 'red'",
    "tags.note ILIKE '%report%'",
    "tags.none IS NULL",
    "status = 'FAILED'",
    "status = 'RUNNING'",
    "user = 'grace'",
    "start_time > '2024-06-01'",
    "start_time > '2038-01-01'",
    "duration > 3000",
    "run_name LIKE 'brave-1%'",
    "script = 'nothing.py'",
)
ORDERS = (
    "",
    "metrics.accuracy DESC",
    "max(metrics.loss)",
    "best(metrics.seconds)",
    "metrics.nothing",
    "params.kernel",
    "params.C DESC",
    "tags.note",
    "status",
    "user",
    "start_time",
    "duration DESC",
    "run_name",
)


def main() -> int:
    given = sys.argv[1:]
    kind_of_store = "postgresql" if "postgresql" in given else "sqlite"
    counts = tuple(int(text) for text in given if text.isdigit()) or COUNTS
    figures = []
    for count in counts:
        with store(kind_of_store) as database:
            found = measured(count, database)
        bar = BAR
        for place, kind in enumerate(KINDS):
            slowest, where = max((taken[place], name) for name, taken in found.items())
            usual = statistics.median(taken[place] for taken in found.values())
            note = f"of {len(found)} pages, each the best of {EACH}; the slowest: {where}"
            figures += [
                Figure(f"runs_table_slowest_{count}{kind}", slowest, bar, "ms", note=note),
                Figure(f"runs_table_median_{count}{kind}", usual, bar, "ms", note=note),
            ]
            print(f"{count}{kind}: {note}")
    return report("runs_table", figures)


def measured(count: int, database: Store) -> dict[str, list[float]]:
    """Milliseconds by page, of each of KINDS, in a process of its own: Django has one database."""
    with tempfile.TemporaryDirectory() as folder:
        home = os.environ.get("RUNS_TABLE_HOME", folder)
        variables = {**os.environ, "MLPORTAL_HOME": home, "DJANGO_SETTINGS_MODULE": "mlportal.settings"}
        variables.pop("DATABASE_URL", None)
        if database.name != "sqlite":
            variables["DATABASE_URL"] = database.url("many", Path(folder))
        if home == folder or database.name != "sqlite":
            for command in (["manage.py", "migrate", "--verbosity", "0"], ["-m", "benchmarks.many_runs", str(count)]):
                subprocess.run([sys.executable, *command], cwd=ROOT, env=variables, check=True)
        code = "from benchmarks.runs_table import measure; measure()"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, check=True, stdout=subprocess.PIPE)
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def measure() -> None:
    """Prints the milliseconds of each page, as JSON."""
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test import Client

    from benchmarks.many_runs import WORKSPACE
    from mlportal.access.models import User

    settings.ALLOWED_HOSTS = ["testserver"]
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # whose names no set-up has to know
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    server = connection.connection.info.backend_pid if connection.vendor == "postgresql" else None
    found = {}
    for experiment, query in pages():
        address = f"/w/{WORKSPACE}/experiments/{experiment}/?{urlencode(query)}"
        times, cpu = [], []
        for _ in range(EACH):
            began, used = time.perf_counter(), time.process_time() + seconds_of(server)
            answer: Any = client.get(address)
            times.append((time.perf_counter() - began) * 1000)
            cpu.append((time.process_time() + seconds_of(server) - used) * 1000)
            assert answer.status_code == 200, address
        found[f"{experiment}: {query}"] = [min(times), min(cpu)]
    print(json.dumps(found))


def seconds_of(process: int | None) -> float:
    """For how long the server's process has been on a processor; without the processes that help it."""
    schedule = Path(f"/proc/{process}/schedstat")
    return int(schedule.read_text().split()[0]) / 1e9 if process and schedule.exists() else 0.0


def pages() -> Iterator[tuple[str, dict[str, str]]]:
    for experiment in EXPERIMENTS:
        for text in FILTERS:
            for order in ORDERS:
                yield experiment, {name: value for name, value in (("q", text), ("sort", order)) if value}


if __name__ == "__main__":
    sys.exit(main())
