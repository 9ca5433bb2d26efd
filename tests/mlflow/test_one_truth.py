"""What one dialect says the other shows, and the pages too; and a run that the portal executes."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import TINY
from tests.mlflow.conftest import Mlflow
from tests.portal import PASSWORD, Portal

# A script without the package: the calls that the client makes, in a run of the portal.
SCRIPT = """
import json, os, urllib.error, urllib.request
def call(path, body=None, method=None):
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/" + path
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"}
    try:
        return json.load(urllib.request.urlopen(urllib.request.Request(url, data, headers)))
    except urllib.error.HTTPError as error:
        return json.load(error)
run, experiment = os.environ["MLFLOW_RUN_ID"], os.environ["MLFLOW_EXPERIMENT_ID"]
assert call("runs/get?run_id=" + run)["run"]["info"]["experiment_id"] == experiment
assert call("experiments/get?experiment_id=" + experiment)["experiment"]["name"] == "inside"
assert call("runs/update", {"run_id": run, "status": "RUNNING"})["run_info"]["status"] == "RUNNING"
call("runs/log-metric", {"run_id": run, "key": "m", "value": 0.5, "timestamp": 1, "step": 0})
call("runs/log-parameter", {"run_id": run, "key": "p", "value": "1"})
child = call("runs/create", {"experiment_id": experiment, "run_name": "inner"})["run"]["info"]["run_id"]
call("runs/log-metric", {"run_id": child, "key": "m", "value": 1.5, "timestamp": 1})
call("runs/update", {"run_id": child, "status": "FAILED"})
# An end that the client tells is not the script's: that is for the runner to say.
assert call("runs/update", {"run_id": run, "status": "FAILED"})["run_info"]["status"] == "RUNNING"
for path, body in (("experiments/create", {"name": "mine"}), ("runs/delete", {"run_id": run}),
                   ("experiments/delete", {"experiment_id": experiment}), ("runs/restore", {"run_id": run})):
    assert call(path, body)["error_code"] == "PERMISSION_DENIED", path
assert call("runs/get?run_id=OTHER")["error_code"] == "RESOURCE_DOES_NOT_EXIST"
assert len(call("runs/search", {"experiment_ids": [experiment]})["runs"]) == 2
import azureml.core
azureml.core.Run.get_context().log("from_azure", 2.0)
print("said and done")
"""


def test_a_script_in_a_run_of_the_portal(portal: Portal, api: Mlflow, tmp_path: Path) -> None:
    other = api.new_run()
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT.replace("OTHER", other))
    with portal.client() as client:
        uid = client.submit(folder, "train.py", TINY)
        run = client.wait(uid)
        assert run["status"] == "Completed", client.log(uid)
        assert "said and done" in client.log(uid)
        assert {metric["name"] for metric in client.get(f"runs/{uid}/metrics/")} == {"m", "from_azure"}
        (child,) = client.get("runs/", parent=uid)["results"]
        assert (child["name"], child["status"]) == ("inner", "Failed")
    found = api.run(uid)
    assert found["info"]["status"] == "FINISHED" and api.data(uid, "metrics") == {"m": 0.5, "from_azure": 2.0}
    assert api.data(child["id"], "tags")["mlflow.parentRunId"] == uid
    listed = api.get("artifacts/list", run_id=uid)["files"]
    assert "user_logs" in [entry["path"] for entry in listed]


def test_what_clients_started_by_either_dialect(portal: Portal, api: Mlflow) -> None:
    with portal.client() as client:
        parent = client.post("runs/start/", {"experiment": "both", "name": "one", "tags": {"a": "b"}})["id"]
        child = client.post("runs/start/", {"parent": parent})["id"]
        assert api.data(child, "tags")["mlflow.parentRunId"] == parent
        assert api.data(parent, "tags")["a"] == "b" and api.run(parent)["info"]["run_name"] == "one"
        api.post("runs/log-metric", run_id=parent, key="m", value="NaN", timestamp=1)
        api.post("runs/update", run_id=parent, run_name="two", status="KILLED")
        run = client.run(parent)
        assert (run["name"], run["status"]) == ("two", "Canceled")
        (metric,) = client.get(f"runs/{parent}/metrics/")
        assert (metric["name"], metric["last"]) == ("m", "NaN")


def test_what_is_in_the_trash_is_listed_nowhere(portal: Portal, api: Mlflow) -> None:
    experiment = api.post("experiments/create", name="tidy")["experiment_id"]
    kept, gone = api.new_run(experiment), api.new_run(experiment)
    api.post("runs/delete", run_id=gone)
    with portal.client() as client:
        assert [run["id"] for run in client.get("runs/", experiment="tidy")["results"]] == [kept]


def test_experiments_of_any_name_have_pages(portal: Portal, api: Mlflow) -> None:
    import httpx

    with httpx.Client(base_url=portal.url, follow_redirects=True) as browser:
        token = browser.get("/login/").text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
        assert browser.post("/login/", data=form, headers={"Referer": portal.url}).status_code == 200
        for name in ("team/churn model", "50 %", "..", "a%2Fb", "ü?x=1#y"):
            made = api.post("experiments/create", name=name)["experiment_id"]
            run = api.new_run(made, run_name="first")
            page = browser.get(f"/w/default/runs/{run}/")
            assert page.status_code == 200
            link = next(
                part.split('"')[0]
                for part in page.text.split('href="')
                if part.startswith("/w/default/experiments/") and not part.startswith('/w/default/experiments/"')
            )
            found = browser.get(link)
            assert found.status_code == 200 and "first" in found.text, (name, link)
            with portal.client() as client:
                path = link.removeprefix("/w/default/")
                assert client.http.get(f"{client.base}/{path}").json()["name"] == name
