"""Pages in real Chromium, on the server of the tests: for what only a browser shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from mlportal.access.models import User, Workspace
from tests.chromium import sign_in, watched_page


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, workspace: Workspace, owner: User) -> Iterator[Page]:
    """Signed in as olga."""
    with watched_page(browser, live_server.url, color_scheme="dark") as page:
        sign_in(page, "olga", "not-needed-here")
        page.wait_for_url("**/w/lab/")
        yield page
