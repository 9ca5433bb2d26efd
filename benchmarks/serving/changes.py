"""What a service costs beside its rate: a start, memory, and what callers notice when its model changes or dies."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable

import psutil

from benchmarks.figures import Figure
from benchmarks.serving.load import Loaded, Running
from benchmarks.serving.portal import NAME, Ours
from benchmarks.serving.processes import proportional_memory
from benchmarks.serving.server import DidNotServe, send
from benchmarks.tracking.calls import say

DEPLOYMENTS = 5
CONNECTIONS = 16
BEFORE_SECONDS, AFTER_SECONDS = 1.0, 2.0
LONGEST = 120  # seconds of a load that is ended when what it was for has happened
LOADED = """import sys
import joblib
model = joblib.load(sys.argv[1])
print("loaded", flush=True)
sys.stdin.read()
"""


def start(ours: Ours) -> Figure:
    say(f"{DEPLOYMENTS} deployments, from the request to the first prediction")
    seconds = []
    for number in range(DEPLOYMENTS):
        seconds.append(ours.deploy(f"start-{number}"))
        ours.delete(f"start-{number}")
    note = f"median of {DEPLOYMENTS}, longest {max(seconds):.2f} s; from the POST to the first right answer; the environment is there"
    return Figure("deploy_to_prediction", statistics.median(seconds), 1.5, "s", note=note)


def memory(ours: Ours) -> Figure:
    """Both are there at the same time, so that what they share is halved for both."""
    say("memory of a replica")
    name = "memory"
    ours.deploy(name)
    pid = ours.replica(name)
    python = psutil.Process(pid).cmdline()[0]
    command = [python, "-I", "-c", LOADED, str(ours.model.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bare:
        assert bare.stdout is not None
        if bare.stdout.readline() != b"loaded\n":
            raise DidNotServe(f"{python} cannot load the model")
        time.sleep(1)
        replica, loaded = proportional_memory(pid), proportional_memory(bare.pid)
        busy = proportional_memory(ours.replica(NAME))
        bare.communicate()
    ours.delete(name)
    note = (
        f"PSS after a first prediction; of the replica that had the load {busy:.1f} MB; peer: Python with joblib.load"
    )
    return Figure("replica_memory", replica, loaded * 1.15, "MB", peer=loaded, note=note)


def rolling_update(ours: Ours) -> Figure:
    def change() -> None:
        for version in (2, 1, 2):
            ours.redeploy("rolling", version)
            time.sleep(0.5)

    return _under_load(ours, "rolling", change, "rolling_update.failed", "three redeployments")


def killed(ours: Ours) -> Figure:
    def kill() -> None:
        for _ in range(2):
            pid = ours.replica("killed")
            os.kill(pid, signal.SIGKILL)
            ours.await_other("killed", pid)
            time.sleep(0.5)

    return _under_load(ours, "killed", kill, "killed_replica.failed", "kill -9 of the replica, twice")


def _under_load(ours: Ours, service: str, change: Callable[[], None], figure: str, what: str) -> Figure:
    """Failed is what was not answered, or otherwise than is right: every answer is compared."""
    say(f"{what}, under {CONNECTIONS} connections")
    ours.deploy(service)
    call = ours.call_of(service, ours.key_of(service), ours.model.rows[:1])
    _, answer = send(call)
    with Running(call, CONNECTIONS, LONGEST, answer=answer) as running:
        time.sleep(BEFORE_SECONDS)
        change()
        time.sleep(AFTER_SECONDS)
        if not running.goes_on:
            raise DidNotServe(f"{what} took longer than {LONGEST} s")
        loaded = running.end()
    ours.delete(service)
    return Figure(figure, loaded.failed, 0, "", note=f"{what}; {_told(loaded)}")


def _told(loaded: Loaded) -> str:
    return (
        f"of {loaded.requests} requests from {CONNECTIONS} connections: {loaded.status} answered with an error, {loaded.wrong}"
        f" otherwise than right, {loaded.broken} not answered; the slowest took {loaded.most:.0f} ms"
        + (f"; the first that was not right: {loaded.example}" if loaded.example else "")
    )
