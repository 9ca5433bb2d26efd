"""By clicking: a run of a client and its children, an experiment put away, a compute target, a model from one's own files."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.portal import Portal

pytestmark = [pytest.mark.browser, pytest.mark.slow]
POINT = {"t": 1.0, "k": "scalar", "n": "loss", "v": 0.25}


def test_a_silent_run_is_marked_as_failed_while_its_children_come(page: Page, portal: Portal) -> None:
    with portal.client() as client:
        run = client.post("runs/start/", {"experiment": "by-hand", "name": "grid"})
        page.goto(run["page"])
        expect(page.get_by_text("It has logged nothing yet")).to_be_visible()
        child = client.post("runs/start/", {"parent": run["id"], "name": "fold 1"})
        client.post(f"runs/{child['id']}/metrics/", {"records": [POINT]})
        row = page.locator("#children").get_by_role("row", name="fold 1")
        expect(row).to_contain_text("0.25")
        client.post(f"runs/{child['id']}/finish/", {"status": "Completed"})
        expect(row).to_contain_text("Completed")
        client.post(f"runs/{run['id']}/metrics/", {"records": [POINT]})
        expect(page.locator("[data-part=facts]")).to_contain_text("just now")  # without loading the page again

        row.get_by_role("link").click()
        page.get_by_role("link", name="Run 1", exact=True).click()
        page.get_by_role("tab", name="Details").click()
        page.get_by_text("Name and describe it").click()
        page.get_by_label("Name", exact=True).fill("grid search")
        page.get_by_label("Description").fill("over C")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name="grid search")).to_be_visible()

        page.get_by_role("button", name="Mark as failed").click()
        page.get_by_role("dialog", name="Mark this run as failed?").get_by_role("button", name="Mark as failed").click()
        expect(page.get_by_role("heading", name="Ended by hand")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
        assert client.run(run["id"])["status"] == "Failed"


def test_an_experiment_is_described_and_put_away(page: Page, portal: Portal) -> None:
    with portal.client() as client:
        client.post("experiments/", {"name": "plans"})
    page.get_by_role("link", name="Experiments", exact=True).click()
    page.get_by_role("link", name="plans").click()
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Description").fill("to do")
    page.get_by_role("textbox", name="Tags", exact=True).fill("team=blue")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("team: blue")).to_be_visible()
    page.get_by_role("button", name="Archive").click()
    page.get_by_role("dialog", name="Archive plans?").get_by_role("button", name="Archive it").click()
    expect(page.get_by_text("plans is archived")).to_be_visible()
    page.get_by_label("Archived or not").select_option("Archived")
    page.get_by_role("link", name="plans").click()
    page.get_by_role("button", name="Restore").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete plans?").get_by_role("button", name="Delete the experiment").click()
    expect(page.get_by_text("The experiment plans is deleted.")).to_be_visible()


def test_a_compute_target_is_made_and_deleted(page: Page) -> None:
    page.get_by_role("link", name="Compute", exact=True).click()
    page.get_by_role("link", name="New compute target").click()
    page.get_by_label("Name").fill("cluster")
    page.get_by_label("Slots").fill("2")
    page.get_by_role("button", name="Make the target").click()
    card = page.locator("#targets .card", has_text="cluster")
    expect(card).to_contain_text("of 2")
    expect(card).to_contain_text("Up", timeout=15_000)  # the portal's own worker serves it
    card.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete cluster?").get_by_role("button", name="Delete the target").click()
    expect(page.get_by_text("The compute target cluster is deleted.")).to_be_visible()


def test_a_model_is_uploaded(page: Page, portal: Portal, tmp_path: Path) -> None:
    folder = tmp_path / "iris"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(b"cos\nmodel\n.")
    (folder / "labels.txt").write_text("setosa")
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("link", name="Upload a model").click()
    expect(page.get_by_role("button", name="Upload and register")).to_be_disabled()
    page.locator("[data-upload=folder]").set_input_files(folder)
    expect(page.get_by_text("iris/model.pkl (11 bytes)")).to_be_visible()
    expect(page.locator("[name=name]")).to_have_value("iris")
    page.get_by_label("Tags").fill("stage=candidate")
    page.get_by_role("button", name="Upload and register").click()
    expect(page.get_by_text("registered from files of admin")).to_be_visible()
    with portal.client() as client:
        version = client.get("models/iris/versions/1/")
    assert [file["path"] for file in version["files"]] == ["iris/labels.txt", "iris/model.pkl"]
    assert (version["tags"], version["run"]) == ({"stage": "candidate"}, None)
