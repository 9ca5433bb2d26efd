"""Debian's Chromium, one for all tests of a file: Playwright keeps an event loop in the thread, which takes no second one,
and which tests of what is asynchronous must not find there afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# A page is right when it comes to show what it should: how soon is not for a busy machine to say.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def left(text: str) -> bool:
    """Whether htmx says that the page was left while it asked for its news."""
    return text.startswith(("htmx:sendAbort", "htmx:afterRequest"))


@contextmanager
def watched_page(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A page with nobody's cookies. At its end: no error of a script, no refusal of the CSP, no request to elsewhere."""
    context = browser.new_context(base_url=url, **options)
    context.set_default_timeout(30_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" and not left(said.text) else None)
    page.on("request", lambda asked: None if is_local(asked.url, url) else wrong.append(f"left for {asked.url}"))
    try:
        yield page
    finally:
        context.close()
    assert not wrong


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def is_local(asked: str, url: str) -> bool:
    return asked.startswith((url, "data:", "blob:"))
