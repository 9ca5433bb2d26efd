"""kill -9 of every part while scripts run: they never notice, and nothing is there twice or missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import STEADY, Submit, assert_exactly_once, is_at, steady
from tests.portal import ROOT, Client, Portal, wait_until

BOOSTING = ROOT / "examples" / "boosting"
ROUNDS = 1000


def ready_again(portal: Portal) -> None:
    wait_until(portal._is_ready, what="web answers again")


def runner_of(portal: Portal, uid: str) -> list[psutil.Process]:
    """The two processes of a run's runner."""
    mark = str(portal.home / "runs" / uid)
    return [process for process in portal.processes() if mark in process.cmdline()]


@pytest.mark.slow
def test_the_example_of_a_minute_survives_its_workers(client: Client, portal: Portal) -> None:
    environment = (BOOSTING / "environment.yml").read_text()
    arguments = ["--rounds", str(ROUNDS), "--seconds", "8"]
    uid = client.submit(BOOSTING, "train_boosting.py", environment, arguments=arguments)
    client.wait(uid, "Running", "Failed", seconds=200)
    for line in (2, 6):
        is_at(client, uid, line)
        portal.kill("worker")
    run = client.wait(uid, seconds=120)
    assert run["status"] == "Completed", run["failure"]
    curve = client.get(f"runs/{uid}/metrics/series/", name="loss", points=ROUNDS)["loss"]
    assert curve["steps"] == list(range(1, ROUNDS + 1))
    printed = client.log(uid).splitlines()
    assert [line.split(":")[0] for line in printed[:-1]] == [
        f"round {done} of {ROUNDS}" for done in (1, *range(100, ROUNDS + 1, 100))
    ]
    written = client.log(uid, "logs/training.log").splitlines()
    rounds = [line.split(" round ")[1].split()[0] for line in written if " round " in line]
    assert rounds == [str(done) for done in range(1, ROUNDS + 1)]
    assert len(written) == ROUNDS + 2
    assert run["metrics"]["accuracy"] > 0.9
    assert [event["new"] for event in client.get(f"runs/{uid}/events/")].count("Running") == 1


def test_web_is_killed_and_the_runs_go_on(client: Client, portal: Portal, submit: Submit) -> None:
    uid = steady(submit, 4)
    is_at(client, uid, 50)
    portal.kill("web")
    ready_again(portal)
    assert_exactly_once(client, uid)


def test_web_and_worker_are_killed_at_once(client: Client, portal: Portal, submit: Submit) -> None:
    runs = [steady(submit, 4), steady(submit, 5)]
    is_at(client, runs[0], 50)
    old = [portal.child("web"), portal.child("worker")]
    for process in old:
        process.kill()
    wait_until(lambda: portal._replaced("worker", old[1].pid), what="another worker")
    ready_again(portal)
    for uid in runs:
        assert_exactly_once(client, uid)


def test_a_worker_that_is_asked_to_end_leaves_its_runs_to_the_next(
    client: Client, portal: Portal, submit: Submit
) -> None:
    uid = steady(submit, 4)
    is_at(client, uid, 50)
    worker = portal.child("worker")
    asked = time.monotonic()
    worker.terminate()
    wait_until(lambda: portal._replaced("worker", worker.pid), what="another worker")
    assert time.monotonic() - asked < 15  # it does not wait for the script
    assert_exactly_once(client, uid)


def test_a_paused_worker_wakes_up_after_its_runs_were_taken_over(
    client: Client, portal: Portal, submit: Submit
) -> None:
    """Two workers of one machine; the first sleeps past its lease and then goes on as if nothing had been."""
    uid = steady(submit, 8)
    is_at(client, uid, 30)
    worker = portal.suspend("worker")
    second = subprocess.Popen(
        [sys.executable, "manage.py", "worker"], cwd=ROOT, env=portal.variables, stderr=subprocess.DEVNULL
    )
    try:
        seen = client.log(uid).count("\n")
        is_at(client, uid, seen + 30)  # the second one has adopted it
        worker.resume()
        assert_exactly_once(client, uid)
    finally:
        worker.resume()
        second.terminate()
        second.wait(30)


def test_a_killed_runner_fails_its_run_alone(client: Client, portal: Portal, submit: Submit) -> None:
    other = steady(submit, 3)
    uid = submit("import time\nprint('on', flush=True)\ntime.sleep(100)\n")
    is_at(client, uid, 1)
    for process in runner_of(portal, uid):
        process.kill()
    run = client.wait(uid, seconds=30)
    assert run["status"] == "Failed"
    assert "killed" in run["failure"]["message"]
    assert client.log(uid) == "on\n"
    wait_until(lambda: not runner_of(portal, uid), what="the script has ended with its runner")
    assert_exactly_once(client, other)


def test_a_message_that_comes_twice_changes_nothing(client: Client, portal: Portal, submit: Submit) -> None:
    worker, queue = portal.suspend("worker"), portal.home / "broker" / "queue"
    try:
        uid = submit(STEADY, "500", "1")
        message = wait_until(
            lambda: next((path for path in queue.iterdir() if b"experiments.prepare" in path.read_bytes()), None),
            what="the message",
        )
        for number in range(3):
            message.with_name(f"{number}{message.name}").write_bytes(message.read_bytes())
    finally:
        worker.resume()
    assert_exactly_once(client, uid)


def test_a_broker_that_is_away_at_the_submit_and_comes_back(client: Client, portal: Portal, submit: Submit) -> None:
    queue = portal.home / "broker" / "queue"
    queue.rename(queue.with_name("away"))
    try:
        uid = submit("print('at last')\n")
        assert client.run(uid)["status"] == "NotStarted"
    finally:
        queue.with_name("away").rename(queue)
    assert client.wait(uid, seconds=60)["status"] == "Completed"
    assert client.log(uid) == "at last\n"


def test_an_upload_that_is_cut_off_leaves_nothing(client: Client, portal: Portal) -> None:
    """Web dies while a folder comes in: no snapshot, no file under a whole one's name."""
    import socket

    before = {path.name for path in (portal.home / "storage").rglob("*")}
    with socket.create_connection(("127.0.0.1", portal.port)) as connection:
        head = (
            "POST /api/v1/workspaces/default/snapshots/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {portal.token}\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
            "Content-Length: 50000000\r\n\r\n"
            '--cut\r\nContent-Disposition: form-data; name="files"; filename="big.bin"\r\n\r\n'
        )
        connection.sendall(head.encode() + os.urandom(5_000_000))
        portal.kill("web")
    ready_again(portal)
    assert {path.name for path in (portal.home / "storage").rglob("*")} == before


def test_signals_do_not_reach_scripts_from_the_terminal(client: Client, portal: Portal, submit: Submit) -> None:
    """A script has a session of its own: what the terminal sends to the portal's group is not for it."""
    uid = submit("import time\nprint('on', flush=True)\ntime.sleep(2)\nprint('off')\n")
    is_at(client, uid, 1)
    assert portal.process is not None
    groups = {os.getpgid(process.pid) for process in runner_of(portal, uid)}
    assert os.getpgid(portal.process.pid) not in groups
    assert os.getsid(portal.process.pid) not in {os.getsid(process.pid) for process in runner_of(portal, uid)}
    assert client.wait(uid)["status"] == "Completed"
    assert Path(f"/proc/{portal.process.pid}").exists()
    assert signal.SIGINT  # nothing was sent to anybody: the sessions alone decide
