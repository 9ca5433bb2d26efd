"""Takes the pictures of the documentation from a real portal: `python -m docs.images.take` (needs Chromium)."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from mlportal.demo.client import Client
from mlportal.demo.process import ROOT, OwnPortal

HERE = Path(__file__).resolve().parent
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH, HEIGHT = 1280, 860
EXAMPLE = ROOT / "examples" / "boosting"


def main() -> None:
    with OwnPortal() as portal, sync_playwright() as playwright:
        client = Client(portal.url, portal.token())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1)
        log_in(page, portal)
        run = submit(client, "--rounds", "600", "--seconds", "25")
        page.goto(portal.url + run["page"])
        while client.get(f"runs/{run['id']}/")["metrics"].get("loss") is None:
            time.sleep(0.2)
        time.sleep(12)  # so that there is something to see, and it goes on
        page.screenshot(path=HERE / "run-page.png")
        browser.close()


def log_in(page: Page, portal: OwnPortal) -> None:
    page.goto(portal.url)
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", portal.password)
    page.click("button[type=submit]")


def submit(client: Client, *arguments: str) -> dict[str, str]:
    files = {path.name: path.read_bytes() for path in sorted(EXAMPLE.iterdir()) if path.is_file()}
    definition = (EXAMPLE / "environment.yml").read_text()
    client.post("environments/", {"name": "boosting", "definition": definition})
    run: dict[str, str] = client.post(
        "runs/",
        {
            "experiment": "boosting",
            "snapshot": client.upload(files)["uid"],
            "environment": "boosting",
            "script": "train_boosting.py",
            "arguments": list(arguments),
        },
    )
    return run


if __name__ == "__main__":
    sys.exit(main())
