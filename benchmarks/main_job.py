"""`make bench`: the figures of the main job, on a portal of its own with the article's environment.

Everything is measured from outside, through the API, except what only the script or the kernel knows.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import psutil

from benchmarks.figures import Figure, report
from mlportal.demo.client import Client
from mlportal.demo.files import prepare
from mlportal.demo.process import OwnPortal

TIMES = 10
BUILDS = 5
IDLE_SECONDS = 30
STARTS = 3
LOG_CALLS, LOG_PARTS = 100_000, 20
FINAL = ("Completed", "Failed", "Canceled")
MEGABYTE = 1_000_000
STDOUT = "user_logs/std_log.txt"
FIRST_LINE = b"import time\nprint(time.time(), flush=True)\n"
LOG_SPEED = f"""import time
from azureml.core import Run

run = Run.get_context()
for part in range({LOG_PARTS}):
    began = time.perf_counter()
    for step in range({LOG_CALLS // LOG_PARTS}):
        run.log("loss", 0.1)
    print(time.perf_counter() - began)
""".encode()


def main() -> int:
    figures: list[Figure] = []
    with OwnPortal() as portal:
        say(f"idle for {IDLE_SECONDS} s")
        time.sleep(IDLE_SECONDS)
        figures.append(idle_memory(portal.pid))
        figures.append(second_start(portal))
        client = Client(portal.url, portal.token())
        job = Job(client)
        say(f"the first build, with Python {job.python}")
        job.run(FIRST_LINE)
        figures += first_lines(job)
        figures.append(warm_build(portal, client, job))
        figures.append(log_speed(job))
    return report("main_job", figures)


class Job:
    """Submits scripts in the article's environment, or the nearest that the machine has."""

    def __init__(self, client: Client) -> None:
        self.client = client
        prepared = prepare(client)
        self.python = prepared.python
        as_of = prepared.as_of and prepared.as_of.isoformat()
        definition = {"name": "bench", "definition": prepared.definition, "as_of": as_of}
        self.environment = client.post("environments/", definition)

    def submit(self, script: bytes) -> Callable[[], Any]:
        """The code is uploaded; calling what is returned submits the run."""
        snapshot = self.client.upload({"script.py": script})
        return lambda: self.client.post(
            "runs/",
            {
                "experiment": "bench",
                "snapshot": snapshot["uid"],
                "environment": {"name": "bench", "version": self.environment["version"]},
                "script": "script.py",
            },
        )

    def wait(self, uid: str) -> Any:
        """The run, once it is final; a run that did not complete ends the benchmark."""
        while (run := self.client.get(f"runs/{uid}/"))["status"] not in FINAL:
            time.sleep(0.2)
        if run["status"] != "Completed":
            raise SystemExit(f"run {uid} ended {run['status']}: {run['failure']}")
        return run

    def run(self, script: bytes) -> Any:
        return self.wait(self.submit(script)()["id"])

    def lines(self, uid: str) -> Iterator[str]:
        """Lines of the script as its event stream brings them."""
        for event, data in self.client.events(f"runs/{uid}/stream/?log={STDOUT}"):
            if event == "log":
                yield from data["text"].splitlines()


def first_lines(job: Job) -> list[Figure]:
    """A run whose environment is there, ten times, one after the other."""
    say(f"{TIMES} runs in a warm environment")
    to_print, to_eye, preparing = [], [], []
    for _ in range(TIMES):
        submit = job.submit(FIRST_LINE)
        began = time.time()
        uid = submit()["id"]
        printed = float(next(job.lines(uid)))
        to_print.append(printed - began)
        to_eye.append(time.time() - printed)
        span = job.wait(uid)["phases"][0]
        start, end = (datetime.fromisoformat(span[moment]) for moment in ("start", "end"))
        preparing.append((end - start).total_seconds())
    note = f"median of {TIMES}"
    return [
        Figure(
            "submit_to_first_line",
            statistics.median(to_print),
            1.0,
            "s",
            note=f"{note}; from the request to the script's print",
        ),
        Figure(
            "print_to_client",
            statistics.median(to_eye),
            1.0,
            "s",
            note=f"{note}; from the print to the line in the event stream",
        ),
        Figure(
            "second_preparing",
            statistics.median(preparing) * 1000,
            50,
            "ms",
            note=f"{note}; the phase Preparing of a hit",
        ),
    ]


def warm_build(portal: OwnPortal, client: Client, job: Job) -> Figure:
    """The environment's folder is removed; uv's cache has the packages, the database the lock."""
    say(f"{BUILDS} builds from a warm cache")
    seconds = []
    for _ in range(BUILDS):
        shutil.rmtree(portal.home / "environments")
        build = client.post(f"environments/bench/versions/{job.environment['version']}/build/")
        if build is None:
            raise SystemExit("the portal says that the environment is there, though its folder was removed")
        while (build := client.get(f"builds/{build['id']}/"))["status"] not in ("Ready", "Failed", "Canceled"):
            time.sleep(0.1)
        if build["status"] != "Ready":
            raise SystemExit(f"the build ended {build['status']}: {build['error']}")
        seconds.append(build["seconds"])
    return Figure("warm_build", statistics.median(seconds), 1.0, "s", note=f"median of {BUILDS}")


def log_speed(job: Job) -> Figure:
    """The median of the parts: what else the machine did meanwhile is not run.log's."""
    say(f"{LOG_CALLS:,} calls of run.log in a script")
    uid = job.submit(LOG_SPEED)()["id"]
    seconds = statistics.median(float(line) for line in job.lines(uid))
    job.wait(uid)
    note = f"{LOG_CALLS} calls in {LOG_PARTS} parts, the median; Python {job.python}"
    return Figure("run_log", seconds / (LOG_CALLS / LOG_PARTS) * 1e6, 10, "us", note=note)


def second_start(portal: OwnPortal) -> Figure:
    say(f"{STARTS} starts of the portal")
    seconds = []
    for _ in range(STARTS):
        portal.stop()
        began = time.perf_counter()
        portal.start()
        seconds.append(time.perf_counter() - began)
    return Figure(
        "second_start", statistics.median(seconds), 5.0, "s", note=f"median of {STARTS}; from the command to /readyz"
    )


def idle_memory(pid: int) -> Figure:
    """Pages that several processes share count once (PSS); who may not see that gets the sum of all, which is more."""
    parent = psutil.Process(pid)
    processes = [parent, *parent.children(recursive=True)]
    resident = sum(process.memory_info().rss for process in processes)
    try:
        ours, kind = sum(process.memory_full_info().pss for process in processes), "PSS"
    except psutil.AccessDenied:
        ours, kind = resident, "RSS, for only root may see the PSS of hardened processes"
    note = f"{kind} of {len(processes)} processes; the sum of RSS is {resident / MEGABYTE:.0f} MB"
    say(note)
    return Figure("idle_memory", ours / MEGABYTE, 450, "MB", note=note)


def say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
