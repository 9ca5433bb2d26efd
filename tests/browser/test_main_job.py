"""The main job by clicking: two files, a run, a model, a service, a prediction; and what a failing script looks like."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from experiments.environments import discover
from tests.portal import ROOT, Portal

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 120_000  # milliseconds: a cold environment is downloaded and built
IRIS, FAILING, BOOSTING = (ROOT / "examples" / name for name in ("iris", "failing", "boosting"))


def test_from_two_files_to_a_prediction(page: Page, portal: Portal) -> None:
    if not any(found.version.release[:2] == (3, 6) for found in discover()):
        pytest.skip("the article's environment needs a Python 3.6 on this machine")
    page.get_by_role("link", name="Submit a run").first.click()
    page.wait_for_url("**/submit/")
    page.wait_for_load_state()
    page.locator("[data-snapshot=files]").set_input_files([IRIS / "train_iris.py", IRIS / "sklearn-env.yml"])
    expect(page.locator("[data-snapshot=tree]")).to_contain_text("train_iris.py")
    expect(page.get_by_label("Entry script")).to_have_value("train_iris.py")
    page.get_by_label("Arguments").fill("--kernel linear --penalty 1.0")
    expect(page.locator("[data-environment=yaml]")).to_have_value((IRIS / "sklearn-env.yml").read_text())
    page.get_by_label("Resolve packages as of").fill("2020-07-24")
    expect(page.locator("[data-environment=result]")).to_contain_text("3.6")
    page.locator("input[name=experiment]").fill("train-sklearn")
    page.get_by_role("button", name="Submit the run").click()

    page.wait_for_url("**/runs/*/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Completed", timeout=LONG)
    phases = page.locator("#panel-overview")
    for phase in ("Preparing", "Scaling", "Running", "Post-processing"):
        expect(phases).to_contain_text(phase)
    page.get_by_role("tab", name="Logs").click()
    expect(page.get_by_label("Log content")).to_contain_text("Accuracy of the support vector machine")
    page.get_by_role("tab", name="Metrics").click()
    expect(page.locator("#panel-metrics")).to_contain_text("0.973684")
    page.get_by_role("tab", name="Files").click()
    expect(page.locator("#panel-files")).to_contain_text("model.joblib")

    page.get_by_role("button", name="Register model").click()
    dialog = page.get_by_role("dialog", name="Register a model")
    dialog.get_by_label("File or folder of this run").select_option("outputs/model.joblib")
    dialog.locator("input[name=name]").fill("sklearn-iris")
    dialog.get_by_role("button", name="Register").click()
    page.wait_for_url("**/models/sklearn-iris/1/")
    expect(page.get_by_text("sklearn.svm", exact=False).first).to_be_visible()

    page.get_by_label("Name of the service").fill("scikit-learn-service")
    page.get_by_role("button", name="Deploy").first.click()
    page.wait_for_url("**/deployments/scikit-learn-service/")
    expect(page.locator("#deployment-status")).to_contain_text("Healthy", timeout=LONG)
    page.get_by_role("tab", name="JSON").click()
    request = page.locator("#console-request")
    expect(request).to_have_value(re.compile("data"))
    request.fill(json.dumps({"data": [[5.1, 3.5, 1.4, 0.2]], "method": "predict"}))
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-console-response]")).to_contain_text("0")

    with portal.client() as client:
        key = client.get("deployments/scikit-learn-service/keys/")["primary"]
    answer = httpx.post(
        f"{portal.url}/services/scikit-learn-service/score",
        json={"data": [[6.7, 3.0, 5.2, 2.3]]},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.json() == [2]


def test_a_failing_script_shows_its_traceback_on_top(page: Page, portal: Portal) -> None:
    with portal.client() as client:
        uid = client.submit(FAILING, "train_failing.py", (FAILING / "environment.yml").read_text())
        client.wait(uid, "Failed")
    page.goto(f"/w/default/runs/{uid}/")
    card = page.locator(".failure-card")
    expect(card).to_contain_text("KeyError")
    expect(card).to_contain_text("train_failing.py:18")
    expect(card).to_contain_text("Exit code 1")
    card.get_by_role("link", name="Show in the log").click()
    expect(page.get_by_label("Log content")).to_contain_text("Traceback (most recent call last)")


def test_log_and_metrics_grow_while_the_script_runs(page: Page, portal: Portal) -> None:
    with portal.client() as client:
        definition = (BOOSTING / "environment.yml").read_text()
        uid = client.submit(BOOSTING, "train_boosting.py", definition, arguments=["--seconds", "15"])
        page.goto(f"/w/default/runs/{uid}/#logs")
        expect(page.get_by_label("Log content")).to_contain_text("round 1 of", timeout=LONG)
        expect(page.locator("[role=tabpanel]:visible")).to_have_attribute("id", "panel-logs")
        assert client.run(uid)["status"] == "Running"
        expect(page.get_by_label("Log content")).to_contain_text("round 100 of")
        page.get_by_role("tab", name="Metrics").click()
        expect(page.locator("#panel-metrics")).to_contain_text("loss")
        expect(page.locator("#panel-metrics .js-plotly-plot").first).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Completed", timeout=LONG)
        series = client.get(f"runs/{uid}/metrics/series/", name="loss", points=100)
    assert series["loss"]["count"] == 2000


def test_a_run_is_canceled_after_a_confirmation(page: Page, portal: Portal) -> None:
    with portal.client() as client:
        definition = (BOOSTING / "environment.yml").read_text()
        uid = client.submit(BOOSTING, "train_boosting.py", definition, arguments=["--seconds", "60"])
        client.wait(uid, "Running", "Failed")
        page.goto(f"/w/default/runs/{uid}/")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Cancel the run").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Canceled", timeout=LONG)
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        expect(page.locator("[data-announce]")).to_have_text("Canceled")
        expect(page.locator("#panel-overview")).to_contain_text("Canceled by admin.")
        assert client.run(uid)["status"] == "Canceled"
