"""Data by clicking, and by a client over sockets: files, a dataset, and a run that is given it."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import TINY
from tests.portal import Portal

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 120_000  # milliseconds
SCRIPT = """
import os, sys
for name in sorted(os.listdir(sys.argv[1])):
    print(name, open(os.path.join(sys.argv[1], name)).read().strip())
print(os.environ["AZUREML_DATAREFERENCE_flowers"] == sys.argv[1])
"""


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_from_files_to_a_run_that_reads_them(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "iris"
    folder.mkdir()
    (folder / "train.csv").write_text("1,2")
    (folder / "größe.csv").write_text("3,4")
    script = tmp_path / "show.py"
    script.write_text(SCRIPT)

    page.get_by_role("link", name="Data", exact=True).click()
    expect(page.get_by_text("No datasets yet")).to_be_visible()
    page.get_by_role("link", name="Go to the files").click()
    expect(page.get_by_text("No files yet")).to_be_visible()
    page.wait_for_load_state()
    page.locator("[data-upload=folder]").set_input_files(folder)
    page.get_by_role("link", name="iris").click()
    expect(page.locator("#files")).to_contain_text("train.csv")
    expect(page.locator("#files")).to_contain_text("größe.csv")

    # The same names again: asked about, kept, then replaced
    page.wait_for_load_state()
    (folder / "train.csv").write_text("1,2,3")
    chooser = page.locator("[data-upload=files]")
    chooser.set_input_files([folder / "train.csv", folder / "größe.csv"])
    dialog = page.get_by_role("dialog", name="Replace the files?")
    dialog.get_by_role("button", name="Keep what is there").click()
    expect(page.locator("#files")).to_contain_text("3 bytes")
    chooser.set_input_files([folder / "train.csv"])
    page.get_by_role("dialog", name="Replace the file?").get_by_role("button", name="Replace").click()
    expect(page.locator("#files")).to_contain_text("5 bytes")

    page.get_by_role("button", name="Make a dataset of this folder").click()
    dialog = page.get_by_role("dialog", name="Make a dataset")
    expect(dialog.get_by_label("Name")).to_have_value("iris")
    dialog.get_by_label("Name").fill("my flowers")
    dialog.get_by_role("button", name="Make the dataset").click()
    page.wait_for_url("**/dataset-versions/*/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("my flowers")

    # A file of the store goes, the dataset keeps it
    page.goto("/w/default/data/files/?folder=iris")
    page.get_by_role("button", name="Delete größe.csv").click()
    page.get_by_role("dialog", name="Delete größe.csv?").get_by_role("button", name="Delete the file").click()
    expect(page.locator("#files")).not_to_contain_text("größe.csv")

    page.get_by_role("link", name="Submit a run").first.click()
    page.wait_for_url("**/submit/")
    page.wait_for_load_state()
    page.locator("[data-snapshot=files]").set_input_files(script)
    expect(page.get_by_label("Entry script")).to_have_value("show.py")
    page.get_by_role("button", name="Give it a dataset").click()
    expect(page.get_by_label("Dataset", exact=True)).to_contain_text("my flowers:1")
    page.get_by_label("Name of the input").fill("flow ers")
    page.get_by_label("Arguments").fill("DatasetConsumptionConfig:flowers")
    page.locator("input[name=experiment]").fill("data")
    page.get_by_text("Upload or paste a YAML").click()
    page.locator("[data-environment=yaml]").fill(TINY)
    page.locator("input[name=environment_name]").fill("tiny")
    page.get_by_role("button", name="Submit the run").click()
    expect(page.get_by_role("alert").filter(has_text="letters, digits or underscores")).to_be_visible()
    page.get_by_label("Name of the input").fill("flowers")
    page.get_by_role("button", name="Submit the run").click()

    page.wait_for_url("**/runs/*/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Completed", timeout=LONG)
    page.get_by_role("tab", name="Logs").click()
    log = page.get_by_label("Log content")
    for line in ("größe.csv 3,4", "train.csv 1,2,3", "True"):
        expect(log).to_contain_text(line)
    page.get_by_role("tab", name="Details").click()
    page.get_by_role("link", name="my flowers:1").click()
    expect(page.get_by_text("Runs that were given it")).to_be_visible()
    expect(page.locator("main")).to_contain_text("data #1")


def test_bytes_over_sockets(portal: Portal) -> None:
    """Larger than a form may be in memory, without a length, broken off, and by nobody."""
    base = f"{portal.url}/api/v1/workspaces/default"
    big = os.urandom(33_000_000)
    with portal.client() as client:
        http = client.http
        made = http.post(f"{base}/blobs/", files=[("files", ("big", big)), ("files", ("small", b"1"))])
        assert made.status_code == 201
        assert made.json()["blobs"] == [
            {"sha256": sha(big), "size": len(big)},
            {"sha256": sha(b"1"), "size": 1},
        ]
        client.post("data/files/", {"entries": [{"path": "big.bin", "sha256": sha(big), "size": len(big)}]})
        answer = http.get(f"{base}/data/files/content/?path=big.bin", headers={"Range": f"bytes={len(big) - 5}-"})
        assert (answer.status_code, answer.content) == (206, big[-5:])
        assert hashlib.sha256(http.get(f"{base}/data/files/content/?path=big.bin").content).hexdigest() == sha(big)

        entries = [{"path": name, "sha256": digest} for name, digest in (("big.bin", sha(big)), ("1.txt", sha(b"1")))]
        snapshot = client.post("snapshots/manifest/", {"entries": entries})
        with http.stream("GET", f"{base}/snapshots/{snapshot['uid']}/archive/") as stream:
            packed = stream.read()
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            assert archive.read("big.bin") == big and archive.read("1.txt") == b"1"

        broken = http.build_request("POST", f"{base}/blobs/", files={"files": ("a", b"never whole")})
        body = broken.read()
        cut = http.post(f"{base}/blobs/", content=body[:-40], headers={"Content-Type": broken.headers["Content-Type"]})
        assert cut.status_code in (201, 400)  # a form without its end: what came of the file is what its digest says
        lacking = http.post(f"{base}/data/files/", json={"entries": [{"path": "x", "sha256": sha(b"never whole")}]})
        assert lacking.json()["error"]["code"] == "blobs_missing"

    stranger = httpx.post(f"{base}/blobs/", files={"files": ("a", big)}, headers={"Authorization": "Bearer mlp_no"})
    assert stranger.status_code == 401
