"""Notebooks whose portal is away for a while, or no longer lets them in: nothing is lost, nothing twice, nothing in silence."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from tests.fake_portal import CUT, Reply, Request, fake_portal
from tests.portal import Portal
from tests.sdk.conftest import Notebook, interpreter

pytestmark = pytest.mark.slow


class Line:
    """Forwards to a portal. While `is_down`, requests arrive and their answers do not."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.down = threading.Event()

    def __call__(self, request: Request) -> Reply:
        kept = ("authorization", "content-type", "idempotency-key", "accept")
        headers = {name: value for name, value in request.headers.items() if name.lower() in kept}
        answer = httpx.request(
            request.method, self.portal.url + request.target, headers=headers, content=request.body, timeout=60
        )
        headers = {
            name: answer.headers[name] for name in ("Content-Type", "X-MLPortal-Version") if name in answer.headers
        }
        return CUT if self.down.is_set() else Reply(answer.status_code, answer.content, headers)


def test_metrics_are_counted_once_when_their_answers_are_lost(notebook: Notebook, portal: Portal) -> None:
    line = Line(portal)
    program = """
import sys
from azureml.core import Experiment, Workspace
workspace = Workspace("", "", "default")
run = Experiment(workspace, "lossy").start_logging(snapshot_directory=None)
print(run.id, flush=True)
sys.stdin.readline()
for number in range(10):
    run.log("loss", number)
print("logged", flush=True)
run.complete()
"""
    with fake_portal(line) as server:
        process = subprocess.Popen(
            [interpreter("3.6") or sys.executable, "-c", program],
            cwd=notebook.folder.parent,
            env={**notebook.environment, "MLPORTAL_URL": server.url},
            stdin=-1,
            stdout=-1,
            stderr=-1,
            text=True,
        )
        assert process.stdin and process.stdout
        uid = process.stdout.readline().strip()
        line.down.set()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "logged\n"
        threading.Timer(12, line.down.clear).start()
        told = process.communicate(timeout=120)[1]
        assert process.returncode == 0, told
    with portal.client() as client:
        assert client.get(f"runs/{uid}/metrics/azure/")["loss"] == list(range(10))
        assert client.run(uid)["status"] == "Completed"
    assert "does not answer; 10 metrics of run" in told


def test_metrics_are_kept_when_the_token_ends(notebook: Notebook, portal: Portal, tmp_path: Path) -> None:
    token = portal.new_token()
    with portal.client() as client:
        newest = max(row["id"] for row in client.http.get("/api/v1/tokens/").json()["results"])
        address = f"/api/v1/tokens/{newest}/"
    told = notebook(
        f"""
import urllib.request
run = Experiment(ws, "shut-out").start_logging(snapshot_directory=None)
run.log("before", 1)
run.flush()
request = urllib.request.Request({portal.url + address!r}, method="DELETE")
request.add_header("Authorization", "Bearer {portal.token}")
urllib.request.urlopen(request).read()
begun = time.time()
for number in range(5):
    run.log("during", number)
    time.sleep(0.4)
try:
    run.complete()
except Exception as error:
    result = [type(error).__name__, time.time() - begun < 30]
""",
        MLPORTAL_TOKEN=token,
        TMPDIR=str(tmp_path),
    )
    assert told == ["NotAuthenticated", True]
    (rest,) = tmp_path.glob("mlportal-unsent-*.jsonl")
    assert len(rest.read_text().splitlines()) == 5
    assert f"they are in {rest}" in notebook.printed


def test_a_portal_that_does_not_answer_is_said_while_it_is_waited_for(notebook: Notebook) -> None:
    with fake_portal(lambda request: CUT) as server:
        program = (
            "from mlportal_sdk import http\nhttp.PATIENCE = 0.1\n"
            "from azureml.core import Workspace\nWorkspace('', '', 'default')\n"
        )
        done = subprocess.run(
            [interpreter("3.6") or sys.executable, "-c", program],
            cwd=notebook.folder.parent,
            env={**notebook.environment, "MLPORTAL_URL": server.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.stderr.count("PortalWarning: The portal at") == 1
    assert "trying again" in done.stderr
