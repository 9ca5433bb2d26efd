"""Who gets in, and how far: every address, by everybody who may not."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path

import httpx
import pytest

from tests.mlflow.conftest import Mlflow, good, refused
from tests.portal import Portal

ROOT = Path(__file__).resolve().parent.parent.parent
# Read from the source, so that a route that is added is walked, too.
SOURCE = (ROOT / "mlportal" / "mlflow_api" / "routes.py").read_text()
ROUTES = [
    (method, path)
    for method, path in re.findall(r'\("([A-Z]+)", "([a-z/-]+)"\): _', SOURCE)
    if "mpu" not in path and path != "artifacts"
]
NAMED = re.findall(r'\("([A-Z]+)", re\.compile\(r"([^"]+)"\), (_reads|_writes)', SOURCE)
READS = {f"{method} {path}" for method, path in re.findall(r'\("([A-Z]+)", "([a-z/-]+)"\): _reads', SOURCE)}
READS |= {f"{method} {pattern}" for method, pattern, kind in NAMED if kind == "_reads"}


TAG_OF_MODEL = "logged-models/(?P<model_id>[^/]+)/tags/(?P<key>.+)"
MODELS: list[str] = []  # the logged model of the run, and where the files of its version are


@pytest.fixture(scope="module")
def lab(portal: Portal, tokens: dict[str, str]) -> dict[str, Mlflow]:
    people = {name: Mlflow(portal.url, tokens[name], "lab") for name in ("carl", "rita", "sam")}
    return {**people, "nobody": Mlflow(portal.url, None, "lab"), "made up": Mlflow(portal.url, "mlp_x", "lab")}


@pytest.fixture(scope="module")
def run(lab: dict[str, Mlflow]) -> str:
    run = lab["carl"].new_run()
    lab["carl"].post("runs/log-metric", run_id=run, key="m", value=1, timestamp=1)
    assert lab["carl"].put(f"0/{run}/artifacts/a.txt", b"x").status_code == 200
    made = lab["carl"].post("logged-models", experiment_id="0", source_run_id=run, name="svc")
    lab["carl"].post("registered-models/create", name="new")
    source = f"mlflow-artifacts:/0/{run}/artifacts/a.txt"
    lab["carl"].post("model-versions/create", name="new", source=source, run_id=run)
    uri = lab["carl"].get("model-versions/get-download-uri", name="new", version="1")["artifact_uri"]
    MODELS[:] = [made["model"]["info"]["model_id"], uri.removeprefix("mlflow-artifacts:/")]
    lab["carl"].post("registered-models/alias", name="new", alias="champion", version="1")
    return run


def everything(api: Mlflow, run: str) -> list[tuple[str, httpx.Response]]:
    """Each address with what it needs."""
    given = {
        "run_id": run, "run_ids": [run], "experiment_id": "0", "experiment_name": "Default", "key": "k", "value": "1",
        "timestamp": 1, "name": "new", "new_name": "new", "metric_key": "m", "status": "FINISHED", "experiment_ids": ["0"],
        "source": "models:/new/1", "version": "1", "alias": "champion", "stage": "Staging", "models": [],
        "model_json": '{"artifact_path": "m", "flavors": {}, "utc_time_created": "", "run_id": ""}',
    }  # fmt: skip
    answers = []
    for method, path in ROUTES:
        send = {"params": given} if method == "GET" else {"json": given}
        answers.append((f"{method} {path}", api.http.request(method, api.url(path), **send)))  # type: ignore[arg-type]
    model, version = MODELS
    for method, pattern, _ in NAMED:
        path = re.sub(r"\(\?P<key>.*?\)", "k", re.sub(r"\(\?P<model_id>.*?\)", model, pattern))
        send = {} if method == "GET" else {"json": {"status": "LOGGED_MODEL_READY", "tags": [], "params": []}}
        answers.append((f"{method} {pattern}", api.http.request(method, api.url(path), **send)))  # type: ignore[arg-type]
    for place in (f"0/models/{model}/artifacts/b.txt", f"{version}/b.txt"):
        answers.append(("PUT file", api.put(place, b"x")))
        answers.append(("DELETE file", api.http.delete(api.url(f"mlflow-artifacts/artifacts/{place}"))))
    files = f"0/{run}/artifacts"
    answers.append(("PUT file", api.put(f"{files}/b.txt", b"x")))
    answers.append(("DELETE file", api.http.delete(api.url(f"mlflow-artifacts/artifacts/{files}/a.txt"))))
    answers.append(("GET file", api.http.get(api.url(f"mlflow-artifacts/artifacts/{files}/a.txt"))))
    answers.append(("list", api.http.get(api.url("mlflow-artifacts/artifacts"), params={"path": files})))
    for verb in ("create", "complete", "abort"):
        body = {"path": "c.txt", "upload_id": "x", "num_parts": 1, "parts": [{"part_number": 1, "etag": "x"}]}
        answers.append((f"mpu {verb}", api.http.post(api.url(f"mlflow-artifacts/mpu/{verb}/{files}"), json=body)))
    return answers


def test_there_are_addresses() -> None:
    assert len(ROUTES) >= 27 and len(READS) >= 8


@pytest.mark.parametrize("who", ["nobody", "made up"])
def test_without_a_key_nothing_opens(lab: dict[str, Mlflow], run: str, who: str) -> None:
    for path, answer in everything(lab[who], run):
        assert answer.status_code == 401, (path, answer.text)
        assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_a_stranger_learns_of_nothing(lab: dict[str, Mlflow], portal: Portal, run: str) -> None:
    for path, answer in everything(lab["sam"], run):
        assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), (
            path,
            answer.text,
        )
    elsewhere = Mlflow(portal.url, portal.token, "other")  # the run is in another workspace
    refused(elsewhere.ask("runs/get", run_id=run), "RESOURCE_DOES_NOT_EXIST", 404)
    refused(elsewhere.send("runs/set-tag", run_id=run, key="a", value="b"), "RESOURCE_DOES_NOT_EXIST", 404)


def test_a_reader_changes_nothing(lab: dict[str, Mlflow], run: str) -> None:
    before = lab["carl"].run(run)
    for path, answer in everything(lab["rita"], run):
        if path in READS or path in ("GET file", "list"):
            assert answer.status_code == 200, (path, answer.text)
        elif path not in ("mpu complete", "mpu abort", "POST runs/delete-tag", "POST experiments/delete-experiment-tag",
                          "POST experiments/restore", "POST experiments/create", f"DELETE {TAG_OF_MODEL}"):  # fmt: skip
            assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED"), (path, answer.text)
        else:
            assert answer.status_code in (400, 403, 404), (path, answer.text)
    assert lab["carl"].run(run) == before
    assert lab["carl"].ask("experiments/get-by-name", experiment_name="new").status_code == 404


def test_a_name_with_a_token_or_a_password(portal: Portal, tokens: dict[str, str]) -> None:
    url = f"{portal.url}/w/lab/api/2.0/mlflow/experiments/search"

    def ask(name: str, secret: str) -> int:
        return httpx.get(url, auth=(name, secret)).status_code

    assert ask("carl", tokens["carl"]) == ask("carl", "correct-horse-battery-carl") == 200
    assert ask("rita", tokens["carl"]) == ask("carl", "wrong") == ask("", "") == 401
    assert httpx.get(url, headers={"Authorization": "Basic !"}).status_code == 401
    assert httpx.get(url, headers={"Authorization": f"Basic {base64.b64encode(b'carl').decode()}"}).status_code == 401


def test_a_token_that_is_revoked_is_refused_within_seconds(portal: Portal, tokens: dict[str, str]) -> None:
    mine = Mlflow(portal.url, tokens["carl-short"], "lab")
    mine.get("experiments/get", experiment_id="0")
    with httpx.Client(base_url=portal.url, headers={"Authorization": f"Bearer {tokens['carl']}"}) as http:
        listed = http.get("/api/v1/tokens/").json()
        (short,) = [token for token in listed.get("results", listed) if token["name"] == "short"]
        assert http.delete(f"/api/v1/tokens/{short['id']}/").status_code == 204
    time.sleep(2.1)
    refused(mine.ask("experiments/get", experiment_id="0"), "UNAUTHENTICATED", 401)


def test_a_foreign_name_of_the_portal_is_refused(api: Mlflow) -> None:
    answer = api.http.get(api.url("experiments/search"), headers={"Host": "evil.example"})
    assert answer.status_code in (400, 404) and "experiments" not in answer.json()


def test_a_session_is_no_key_here(portal: Portal) -> None:
    with httpx.Client(base_url=portal.url) as browser:
        browser.cookies.set("mlportal_session", "x")
        assert browser.post("/api/2.0/mlflow/runs/search", json={}).status_code == 401


def test_long_bodies_of_strangers_are_not_read(portal: Portal) -> None:
    answer = httpx.post(f"{portal.url}/api/2.0/mlflow/runs/log-batch", content=b"x" * 3_000_000)
    refused(answer, "UNAUTHENTICATED", 401)
    mine = Mlflow(portal.url, portal.token)
    refused(mine.http.post(mine.url("runs/create"), content=b"x" * 10_000_001))
    good(mine.http.get(mine.url("experiments/search")))
