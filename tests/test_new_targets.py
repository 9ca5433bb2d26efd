"""A real portal: its worker serves a compute target that is made while it runs; a script there has children of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.portal import Portal, wait_until

SEARCH = """
import json, os, urllib.request

def call(method, path, body=None):
    base = "{}/api/v1/workspaces/{}/".format(os.environ["MLPORTAL_URL"], os.environ["AZUREML_ARM_WORKSPACE_NAME"])
    request = urllib.request.Request(base + path, json.dumps(body).encode(), method=method)
    request.add_header("Authorization", "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"])
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")

for fold in range(3):
    child = call("POST", "runs/start/", {"parent": os.environ["AZUREML_RUN_ID"], "name": "fold %d" % fold})
    path = "runs/%s/" % child["id"]
    call("POST", path + "metrics/", {"records": [{"t": 1.0, "k": "scalar", "n": "loss", "v": fold}]})
    if fold < 2:
        call("POST", path + "finish/", {"status": "Completed"})
"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with Portal(tmp_path_factory.mktemp("targets") / "home") as running:
        yield running


def test_a_target_made_while_the_portal_runs_is_served(portal: Portal, tmp_path: Path) -> None:
    (tmp_path / "search.py").write_text(SEARCH)
    with portal.client() as client:
        made = client.post("compute/", {"name": "cluster", "slots": 1})
        assert made["nodes"] == []
        uid = client.submit(tmp_path, "search.py", TINY, target="cluster", experiment="search", environment_name="tiny")
        run = client.wait(uid)
        assert run["status"] == "Completed", client.log(uid)
        assert (run["target"], run["children_count"]) == ("cluster", 3)
        (node,) = client.get("compute/cluster/")["nodes"]
        assert node["alive"]
        children = client.get("runs/", parent=uid)["results"]
        assert [(child["name"], child["status"]) for child in children] == [
            ("fold 2", "Running"),
            ("fold 1", "Completed"),
            ("fold 0", "Completed"),
        ]
        # Beat, the reaper and another worker look at it, and leave it alone: its client may be anywhere.
        portal.kill("worker")
        silent = children[0]
        before = client.run(silent["id"])["revision"]
        uid = client.submit(tmp_path, "search.py", TINY, target="cluster", experiment="search", environment_name="tiny")
        client.wait(uid)
        assert client.run(silent["id"])["status"] == "Running"
        assert client.run(silent["id"])["revision"] == before
        # Deleted, its queue is let go.
        assert client.http.delete(f"{client.base}/compute/cluster/").status_code == 204
        wait_until(lambda: "Canceling queue compute.default.cluster" in portal.log, seconds=30)
        assert client.run(uid)["target"] == "cluster"


def test_a_worker_that_was_told_its_targets_takes_no_others(tmp_path: Path) -> None:
    told = Portal(tmp_path / "home")
    told.start("--targets", "local")
    try:
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "train.py").write_text("print(1)\n")
        with told.client() as client:
            client.post("compute/", {"name": "cluster"})
            waiting = client.submit(tmp_path / "code", "train.py", TINY, target="cluster")
            done = client.submit(tmp_path / "code", "train.py", TINY)
            assert client.wait(done)["status"] == "Completed"
            client.wait(waiting, "Queued")
            assert client.get("compute/cluster/")["nodes"] == []
    finally:
        told.stop()
