"""The trash in real Chromium: thrown away, taken back, chosen, deleted for good, with the keyboard alone where it can be."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from experiments.models import Run
from mlportal.access.models import User
from tests.pages.conftest import page
from tests.trash.conftest import MakeRun

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_run_is_thrown_away_taken_back_and_deleted_for_good(
    page: Page, live_server: LiveServer, owner: User, make_run: MakeRun
) -> None:
    runs = [make_run(name=f"run-{n}", files={"outputs/a": b"%d" % n * 2000}) for n in range(3)]
    for run in runs:
        page.goto(f"/w/lab/runs/{run.uid}/")
        page.get_by_role("button", name="Move to the trash").press("Enter")
        page.wait_for_url("**/experiments/iris/")
        expect(page.locator("#toasts")).to_contain_text(f"{run.name} is in the trash.")
    page.get_by_role("button", name="Undo").press("Enter")
    page.wait_for_url(f"**/runs/{runs[2].uid}/")
    assert set(Run.objects.trashed()) == set(runs[:2])

    page.goto("/w/lab/experiments/")
    page.get_by_role("link", name="Trash").click()
    chosen = page.get_by_role("checkbox", name=re.compile("Choose run-"))
    expect(chosen).to_have_count(2)
    page.get_by_role("checkbox", name="Choose all runs of this page").press("Space")
    expect(chosen.first).to_be_checked()
    expect(chosen.last).to_be_checked()
    chosen.last.press("Space")
    page.get_by_role("button", name="Delete the chosen ones for good").press("Enter")
    expect(page.get_by_role("main")).to_contain_text("1 run, children included")
    page.go_back()
    expect(chosen).to_have_count(2)
    page.get_by_role("link", name="Empty the trash").click()
    expect(page.get_by_role("main")).to_contain_text("4.0 kB in the storage")
    page.get_by_role("link", name="Keep them").click()
    assert Run.objects.trashed().count() == 2
    page.get_by_role("link", name="Empty the trash").click()
    page.get_by_role("button", name="Empty the trash").click()
    expect(page.locator("#toasts")).to_contain_text("2 runs are deleted for good")
    expect(page.locator("#purges")).to_contain_text("4.0 kB")
    expect(page.get_by_role("main")).to_contain_text("The trash is empty")
    assert list(Run.objects.all()) == [runs[2]]
