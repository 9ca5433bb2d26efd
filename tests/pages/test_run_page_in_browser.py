"""The run page in Chromium: on a phone, while the run goes on, for those who listen to it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from experiments.models import ComputeTarget, Experiment, LogChunk, LoggedValue, Run, RunEvent
from experiments.status import RunStatus
from mlportal.access.models import User
from tests.chromium import sign_in, watched_page
from tests.pages.test_run_page import move, run  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [390, 1440])
def test_the_phases_have_room_for_their_reasons(page: Page, run: Run, owner: User, width: int) -> None:  # noqa: F811
    move(run, RunStatus.PREPARING, RunStatus.FAILED, failure={"type": "X", "message": "y"}, node="a-machine" * 5)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(run.get_absolute_url())
    table, rows = page.locator("table.phases"), page.locator("table.phases tbody tr")
    assert rows.count() == 4
    whole = table.bounding_box()
    assert whole is not None and whole["x"] + whole["width"] <= width
    for row in rows.all():
        name, why = row.locator("th").bounding_box(), row.locator("td").last.bounding_box()
        assert name is not None and why is not None
        assert why["width"] > (0.9 if width == 390 else 0.4) * whole["width"]
        assert (why["y"] > name["y"]) == (width == 390)  # below the name on a phone, beside it elsewhere
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_was_left_out_is_said_on_top(page: Page, run: Run) -> None:  # noqa: F811
    page.goto(run.get_absolute_url())
    assert page.locator("[data-part=warnings]").inner_text() == ""
    Run.objects.filter(pk=run.pk).update(warnings=["Too many <b>names</b>"])
    page.reload()
    assert "Too many <b>names</b>." in page.locator("[data-part=warnings]").inner_text()


@pytest.mark.parametrize("tab", ["metrics", "logs", "details"])
def test_one_panel_is_shown_while_the_run_goes_on(page: Page, run: Run, tab: str) -> None:  # noqa: F811
    move(run, RunStatus.PREPARING)
    page.goto(f"{run.get_absolute_url()}#{tab}")
    shown = page.locator("[role=tabpanel]:visible")
    expect(shown).to_have_attribute("id", f"panel-{tab}")


def test_show_in_the_log_shows_the_log_on_a_phone(page: Page, run: Run) -> None:  # noqa: F811
    failure = {"type": "ValueError", "message": "bad", "frames": [{"file": "a.py", "line": 1, "source": "x"}] * 9}
    move(run, RunStatus.PREPARING, RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.FAILED, failure=failure)
    LogChunk.objects.create(run=run, name="user_logs/std_log.txt", offset=0, data=b"a line\n" * 99)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(run.get_absolute_url())
    page.get_by_text("Where it happened").click()
    page.get_by_role("link", name="Show in the log").click()
    box = page.locator("[data-log=box]")
    expect(box).to_be_in_viewport(ratio=0.9)
    expect(box).to_be_focused()


def test_what_happened_is_told_by_the_browsers_clock(
    browser: Browser,
    live_server: LiveServer,
    run: Run,  # noqa: F811
    owner: User,
) -> None:
    RunEvent.objects.filter(run=run).update(at=datetime(2026, 1, 2, 20, 30, 5, tzinfo=UTC))
    with watched_page(browser, live_server.url, timezone_id="Asia/Tokyo", locale="en-GB") as page:
        sign_in(page, "olga", "not-needed-here")
        page.wait_for_url("**/w/lab/")
        page.goto(f"{run.get_absolute_url()}#details")
        expect(page.locator(".events time").first).to_have_text(re.compile("3 Jan.* 0?5:30:05"))


def test_a_cancel_is_announced_and_leaves_the_focus_on_the_page(page: Page, run: Run) -> None:  # noqa: F811
    page.goto(run.get_absolute_url())
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(page.locator("[data-announce]")).to_have_text("Canceled")
    expect(page.locator("h1")).to_be_focused()


def test_long_names_widen_no_page(page: Page, run: Run) -> None:  # noqa: F811
    Experiment.objects.update(name="e" * 200)
    Run.objects.update(name="r" * 200)
    ComputeTarget.objects.update(description="d" * 300)
    page.set_viewport_size({"width": 390, "height": 844})
    lists = ["/w/lab/", "/w/lab/experiments/", "/w/lab/compute/"]
    for address in [*lists, run.get_absolute_url(), f"/w/lab/submit/?clone={run.uid}"]:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
    page.set_viewport_size({"width": 1440, "height": 900})
    for address in lists[:2]:
        page.goto(address)
        too_wide = "[...document.querySelectorAll('.table-responsive')].some(box => box.scrollWidth > box.clientWidth)"
        assert not page.evaluate(too_wide), address


def test_residuals_predictions_and_accuracy_tables_are_drawn(page: Page, run: Run) -> None:  # noqa: F811
    logged = {
        "residuals": {"bin_edges": [0, 1, 2], "bin_counts": [3, 4]},
        "predictions": {"bin_edges": [0, 1, 2], "bin_averages": [0.4, 1.6], "bin_errors": [0.1, 0.2]},
        "accuracy_table": {"probability_tables": [[[9, 1, 8, 2], [5, 0, 9, 6]]], "class_labels": ["<b>setosa"]},
    }
    for kind, data in logged.items():
        LoggedValue.objects.create(run=run, kind=kind, name=kind, time=1, value={"schema_type": kind, "data": data})
    LoggedValue.objects.create(
        run=run, kind="residuals", name="odd", time=2, value={"schema_type": "residuals", "data": {}}
    )
    page.goto(f"{run.get_absolute_url()}#metrics")
    expect(page.locator(".value-plot .main-svg").first).to_be_visible()
    expect(page.locator(".value-plot.js-plotly-plot")).to_have_count(3)
    expect(page.get_by_text("Show the JSON")).to_have_count(3)
    expect(page.locator(".value-plot .legend")).to_contain_text("<b>setosa")
    expect(page.locator("pre", has_text='"data": {}')).to_be_visible()
