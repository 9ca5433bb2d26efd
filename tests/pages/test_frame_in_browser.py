"""What only a browser shows: colours before the first paint, the dialog that asks first, keys, filters while one types."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from experiments.models import Experiment, Run
from mlportal.access.models import ApiToken, User, Workspace, digest_of
from mlportal.access.services import create_token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def theme(page: Page) -> Any:
    return page.evaluate("document.documentElement.dataset.bsTheme")


def test_the_colours_follow_the_system_until_one_chooses(page: Page) -> None:
    assert theme(page) == "dark"
    page.click(".user-menu")
    page.click("[data-theme-choice=light]")
    assert theme(page) == "light"
    page.reload(wait_until="commit")
    page.wait_for_selector("body")
    assert theme(page) == "light"


def test_nothing_is_destroyed_before_the_answer(page: Page, owner: User) -> None:
    token, _ = create_token(owner, "laptop")
    page.goto("/account/tokens/")
    page.get_by_role("button", name="Revoke").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("laptop")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    assert ApiToken.objects.get().is_usable
    page.get_by_role("button", name="Revoke").click()
    dialog.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status")).to_contain_text("laptop opens nothing any more")
    assert not ApiToken.objects.get(pk=token.pk).is_usable


def test_a_reload_after_making_a_token_makes_no_other_and_shows_nothing(page: Page) -> None:
    page.goto("/account/tokens/")
    page.fill("#id_name", "laptop")
    page.get_by_role("button", name="Create token").click()
    secret = page.locator("#secret").input_value()
    assert ApiToken.objects.get().digest == digest_of(secret)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#new-token")).to_have_count(0)
    page.go_back()
    page.go_forward()
    assert secret not in page.content()
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("start", ["", "/w/lab"])
def test_addresses_that_mlflow_prints_lead_to_the_pages(page: Page, workspace: Workspace, start: str) -> None:
    default = Experiment.objects.create(workspace=workspace, name="Default")
    trials = Experiment.objects.create(workspace=workspace, name="trials")
    run = Run.objects.create(workspace=workspace, experiment=trials, number=1, status="Completed")
    page.goto(f"{start}/#/experiments/{trials.pk}/runs/{run.uid}")
    page.wait_for_url(f"**{run.get_absolute_url()}")
    page.goto(f"{start}/#/experiments/{trials.pk}")
    page.wait_for_url(f"**{trials.get_absolute_url()}")
    if start:
        page.goto(f"{start}/#/experiments/0")
        page.wait_for_url(f"**{default.get_absolute_url()}")
    page.context.clear_cookies()
    page.goto(f"{start}/#/experiments/{trials.pk}/runs/{run.uid}")
    sign_in_here(page)
    page.wait_for_url(f"**{run.get_absolute_url()}")


def sign_in_here(page: Page) -> None:
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill("not-needed-here")
    page.get_by_role("button", name="Sign in").click()


def test_keys_lead_to_pages_but_not_while_one_types(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    page.keyboard.press("Escape")
    page.keyboard.type("ge")
    page.wait_for_url("**/w/lab/experiments/")
    page.keyboard.press("/")
    page.keyboard.type("gc")
    expect(page.get_by_role("searchbox")).to_have_value("gc")


def test_the_table_is_filtered_while_one_types_and_the_way_back_works(
    page: Page, workspace: Workspace, owner: User
) -> None:
    for name in ("iris", "boosting"):
        experiment = Experiment.objects.create(workspace=workspace, name=name, last_number=1)
        Run.objects.create(workspace=workspace, experiment=experiment, number=1, status="Completed", created_by=owner)
    page.goto("/w/lab/experiments/")
    rows = page.locator("#experiments tbody tr")
    expect(rows).to_have_count(2)
    page.fill("#q", "bo")
    expect(rows).to_have_count(1)
    page.wait_for_url("**/experiments/?q=bo*")
    page.get_by_role("link", name="boosting").click()
    page.wait_for_url("**/experiments/boosting/")
    page.go_back()
    expect(rows).to_have_count(1)
    expect(page.locator("aside")).to_have_count(1)


def test_the_environment_file_is_checked_while_one_types(page: Page) -> None:
    page.goto("/w/lab/new-environment/")
    page.fill("#id_definition", "dependencies:\n  - python=3.11\n  - pip:\n    - -e .\n")
    page.get_by_role("button", name="Line 4").click()
    selected = "(area => area.value.slice(area.selectionStart, area.selectionEnd))(document.activeElement)"
    assert page.evaluate(selected) == "    - -e ."


def test_nothing_is_wider_than_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for address in ("", "experiments/", "environments/", "new-environment/", "compute/", "members/"):
        page.goto(f"/w/lab/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
