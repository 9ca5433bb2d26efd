"""The main path on PostgreSQL with RabbitMQ and with Redis, and what happens when the servers go away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.faults.conftest import STEADY, assert_exactly_once, is_at
from tests.portal import ROOT, Client, Portal, wait_until
from tests.services.servers import PostgreSQL

pytestmark = [pytest.mark.services, pytest.mark.slow]
BOOSTING = ROOT / "examples" / "boosting"


def submit(client: Client, tmp_path: Path, code: str, *arguments: str) -> str:
    folder = tmp_path / "scripts"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(code)
    return client.submit(folder, "train.py", TINY, arguments=list(arguments))


def test_an_example_with_its_packages(client: Client) -> None:
    environment = (BOOSTING / "environment.yml").read_text()
    arguments = ["--rounds", "50", "--seconds", "0.5"]
    uid = client.submit(BOOSTING, "train_boosting.py", environment, arguments=arguments)
    run = client.wait(uid, seconds=200)
    assert run["status"] == "Completed", run["failure"]
    assert run["metrics"]["loss"] > 0
    assert [phase["name"] for phase in run["phases"] if phase["end"]] == [
        *("Preparing", "Scaling", "Running", "Post-processing")
    ]
    assert "outputs/model.joblib" in client.http.get(f"{client.base}/runs/{uid}/artifacts/").text


def test_what_scripts_write_that_databases_dislike(client: Client, tmp_path: Path) -> None:
    code = """
import sys
from azureml.core import Run
run = Run.get_context()
sys.stdout.buffer.write(bytes(range(256)) + b"\\n")
for step, value in enumerate([float("nan"), float("inf"), float("-inf"), 1.5, 1e308, -0.0]):
    run.log("wild", value, step=step)
run.log("text", "nul \\0 and half a pair \\ud800")
run.tag("nul", "a\\0b")
raise ValueError("nul \\0 in a message")
"""
    uid = submit(client, tmp_path, code)
    run = client.wait(uid, seconds=60)
    assert (run["status"], run["failure"]["type"]) == ("Failed", "ValueError")
    stream = client.http.get(f"{client.base}/runs/{uid}/logs/content/", params={"name": "user_logs/std_log.txt"})
    assert stream.content.startswith(bytes(range(256)))
    curve = client.get(f"runs/{uid}/metrics/series/", name="wild")["wild"]
    assert (curve["steps"], curve["values"][3:]) == (list(range(6)), [1.5, 1e308, -0.0])
    assert run["tags"] == {"nul": "a\ufffdb"}


def test_worker_and_web_are_killed_while_a_script_runs(client: Client, portal: Portal, tmp_path: Path) -> None:
    uid = submit(client, tmp_path, STEADY, "500", "5")
    is_at(client, uid, 50)
    worker, web = portal.child("worker"), portal.child("web")
    worker.kill()
    web.kill()
    wait_until(lambda: portal._replaced("worker", worker.pid), what="another worker")
    wait_until(portal._is_ready, what="web answers again")
    assert_exactly_once(client, uid)


def test_a_cancel_ends_a_run(client: Client, tmp_path: Path) -> None:
    uid = submit(client, tmp_path, "import time\nprint('on', flush=True)\ntime.sleep(100)\n")
    is_at(client, uid, 1)
    client.post(f"runs/{uid}/cancel/")
    assert client.wait(uid, seconds=30)["status"] == "Canceled"


def test_the_database_is_restarted_while_a_script_runs(
    client: Client, portal: Portal, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    """The run's folder keeps everything until the database is back."""
    uid = submit(client, tmp_path, STEADY, "500", "6")
    is_at(client, uid, 50)
    postgresql.stop()
    time.sleep(1.5)
    postgresql.start()
    wait_until(portal._is_ready, what="the portal has found the database again")
    assert_exactly_once(client, uid)
