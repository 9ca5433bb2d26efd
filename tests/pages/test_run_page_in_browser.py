"""The run page on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from experiments.models import Run
from experiments.status import RunStatus
from mlportal.access.models import User
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
