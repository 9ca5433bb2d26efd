"""Real Chromium on a real portal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import sign_in, watched_page
from tests.portal import PASSWORD, Portal


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with Portal(tmp_path_factory.mktemp("browser") / "home") as running:
        yield running


@pytest.fixture
def page(browser: Browser, portal: Portal, tmp_path: Path) -> Iterator[Page]:
    """Signed in as the administrator."""
    with watched_page(browser, portal.url, viewport={"width": 1440, "height": 900}) as page:
        sign_in(page, "admin", PASSWORD)
        page.wait_for_url("**/w/default/")
        yield page
    shutil.rmtree(tmp_path, ignore_errors=True)
