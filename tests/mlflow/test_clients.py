"""Real clients, unmodified: the newest one and one of 2.x."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mlflow.conftest import CLIENTS, Mlflow
from tests.portal import Portal, wait_until

SCRIPT = Path(__file__).with_name("client_script.py")
PYFUNC_SCRIPT = Path(__file__).with_name("pyfunc_script.py")
REGISTRY_SCRIPT = Path(__file__).with_name("registry_script.py")


def run_client(python: str, *arguments: str, script: Path = SCRIPT, **variables: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "MLPORTAL_"))}
    done = subprocess.run(
        [python, str(script), *arguments],
        env={**clean, "GIT_PYTHON_REFRESH": "quiet", **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("which", CLIENTS)
def test_a_script_meets_what_it_expects(
    which: str, portal: Portal, api: Mlflow, client_python: Callable[[str], str]
) -> None:
    name = f"team/{which} 50 %"
    run_id = run_client(client_python(which), name, MLFLOW_TRACKING_URI=portal.url, MLFLOW_TRACKING_TOKEN=portal.token)
    with portal.client() as client:
        run = client.run(run_id)
        assert (run["status"], run["name"], run["experiment"]) == ("Completed", "parent", f"{name} 2")
        assert run["children_count"] == 1
        kept = client.get(f"runs/{run_id}/metrics/")
        assert {metric["name"]: metric["count"] for metric in kept}["loss"] == 5


def test_a_workspace_of_its_own_by_name_and_password(
    portal: Portal, tokens: dict[str, str], client_python: Callable[[str], str]
) -> None:
    run_id = run_client(
        client_python("2.x"),
        "by password",
        MLFLOW_TRACKING_URI=f"{portal.url}/w/lab",
        MLFLOW_TRACKING_USERNAME="carl",
        MLFLOW_TRACKING_PASSWORD="correct-horse-battery-carl",
    )
    assert Mlflow(portal.url, tokens["rita"], "lab").run(run_id)["info"]["user_id"] == "carl"
    assert Mlflow(portal.url, portal.token).ask("runs/get", run_id=run_id).status_code == 404


@pytest.mark.parametrize("which", CLIENTS)
def test_models_are_logged_registered_and_loaded(
    which: str, portal: Portal, client_python: Callable[[str], str]
) -> None:
    name = f"Iris ü {which}"
    key = {"MLFLOW_TRACKING_URI": portal.url, "MLFLOW_TRACKING_TOKEN": portal.token}
    run_id = run_client(client_python(which), name, script=REGISTRY_SCRIPT, **key)
    with portal.client() as client:
        model = client.get(f"models/{name}/")
        assert (model["description"], model["tags"]) == ("of the whole", {"team": "blue"})
        version = client.get(f"models/{name}/versions/1/")
        assert (version["run"], version["stage"], version["tags"]) == (run_id, "Archived", {"checked": "yes"})
        assert version["framework_version"]
    if which == "newest":
        assert_deployed(portal, name)


def assert_deployed(portal: Portal, name: str) -> None:
    """With one click: in the environment of its conda.yaml, from the file that its MLmodel names."""
    with portal.client() as client:
        made = client.post("deployments/", {"model": name, "version": 1, "auth_enabled": False})
        at = f"deployments/{made['name']}/"
        state = wait_until(lambda: s if (s := client.get(at))["status"] in ("Healthy", "Failed") else None, seconds=240)
        assert state["status"] == "Healthy", (state, client.http.get(f"{client.base}/{at}log/").text)
        body = {"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], "method": "predict"}
        assert client.http.post(f"/services/{made['name']}/score", json=body).json() == [0, 2]


def test_what_a_script_of_azure_left_loads_as_pyfunc(portal: Portal, client_python: Callable[[str], str]) -> None:
    key = {"MLFLOW_TRACKING_URI": portal.url, "MLFLOW_TRACKING_TOKEN": portal.token}
    run_client(client_python("newest"), "of azure", script=PYFUNC_SCRIPT, **key)
