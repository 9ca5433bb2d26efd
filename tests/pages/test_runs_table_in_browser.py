"""The table of runs in Chromium: what is chosen stays chosen while the table goes on, and the box helps to write a search."""

from __future__ import annotations

import re

import pytest
from django.db.models import F
from playwright.sync_api import Page, expect

from experiments.models import Run
from tests.conftest import MakeRun

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CHURN = "/w/lab/experiments/team%252Fchurn/"


@pytest.fixture
def runs(make_run: MakeRun) -> list[Run]:
    return [
        make_run(
            "team/churn", metrics={"loss": number / 100}, params={"kernel": "rbf"}, status="Running", ended_at=None
        )
        for number in range(52)
    ]


def test_what_is_chosen_stays_chosen_through_updates(page: Page, runs: list[Run], make_run: MakeRun) -> None:
    page.goto(CHURN)
    bar = page.locator("#bulk")
    expect(bar).to_be_hidden()
    page.get_by_label("Choose team/churn #52").check()
    page.get_by_label("Choose team/churn #51").check()
    page.get_by_label("Choose team/churn #51").focus()
    make_run("team/churn", status="Running", ended_at=None)
    Run.objects.filter(pk=runs[51].pk).update(status="Completed", revision=F("revision") + 1)
    expect(page.get_by_label("Choose team/churn #53")).to_be_visible()  # the table was drawn anew
    expect(page.get_by_label("Choose team/churn #52")).to_be_checked()
    expect(page.get_by_label("Choose team/churn #51")).to_be_checked()
    expect(page.get_by_label("Choose team/churn #51")).to_be_focused()
    expect(page.get_by_label("Choose team/churn #53")).not_to_be_checked()
    expect(bar).to_contain_text("2 runs chosen")
    uids = [runs[51].uid, runs[50].uid]
    expect(bar.get_by_role("link", name="Compare")).to_have_attribute(
        "href", re.compile(r"/w/lab/compare/\?runs=" + ",".join(uids) + "$")
    )
    page.get_by_role("link", name="Older").click()
    expect(bar).to_contain_text("2 runs chosen, 2 not shown here")
    bar.get_by_role("button", name="Trash").click()
    expect(page.get_by_role("heading", name="Put 2 runs in the trash?")).to_be_visible()
    page.get_by_role("button", name="Put 2 runs in the trash").click()
    expect(page.locator(".toast-success")).to_contain_text("2 runs are put in the trash.")
    assert set(Run.objects.exclude(deleted_at=None).values_list("uid", flat=True)) == set(uids)


def test_all_that_match_are_tagged_by_the_keyboard(page: Page, runs: list[Run]) -> None:
    page.goto(CHURN)
    page.get_by_label("Find runs").fill("metrics.loss < 0.505")
    expect(page.locator("#runs")).to_have_attribute("data-count", "51")
    page.get_by_label("Choose every run of this page").press("Space")
    page.get_by_role("button", name="Choose all 51 that match").press("Enter")
    page.get_by_role("button", name="Tag", exact=True).press("Enter")
    page.get_by_label("Tag", exact=True).fill("seen")
    page.get_by_label("Value").press("Tab")
    page.get_by_role("button", name="Tag 51 runs").press("Enter")
    expect(page.locator(".toast-success")).to_contain_text("51 runs are tagged.")
    assert Run.objects.filter(tags__name="seen").count() == 51
    assert "q=metrics.loss" in page.url


def test_the_box_offers_names_and_says_what_is_wrong(page: Page, runs: list[Run]) -> None:
    page.goto(CHURN)
    box, wrong = page.get_by_label("Find runs"), page.locator("#search-error")
    box.press_sequentially("ker")
    expect(page.get_by_role("option", name="params.kernel", exact=True)).to_be_visible()
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("params.kernel ")
    box.press_sequentially("= 'rb")
    expect(wrong).to_contain_text("is never closed")
    expect(box).to_have_class(re.compile("is-invalid"))
    expect(page.locator("#runs tbody tr")).to_have_count(50)
    box.press_sequentially("f' and metrics.loss > 0.495")
    expect(page.locator("#runs tbody tr")).to_have_count(2)
    expect(wrong).to_be_empty()
    expect(box).not_to_have_class(re.compile("is-invalid"))
    page.go_back()
    expect(page.locator("#runs tbody tr")).to_have_count(50)
