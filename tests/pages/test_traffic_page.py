"""Two versions of a service on its page, in a browser."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page, expect

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion
from models_registry.services.history import note_served
from models_registry.status import DeploymentStatus, ReplicaState
from tests.models_registry.conftest import (
    Register,
    environment_version,  # noqa: F401
    make_run,  # noqa: F401
    register,  # noqa: F401
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def contributor(owner: User) -> User:
    """The one who is signed in."""
    return owner


@pytest.fixture
def versions(register: Register) -> list[ModelVersion]:  # noqa: F811
    return [register(b"1"), register(b"2")]


def test_a_second_version_is_started_gets_a_share_and_is_promoted(
    page: Page, versions: list[ModelVersion], contributor: User
) -> None:
    made = services.deploy(versions[0], name="iris", by=contributor)
    Deployment.objects.move(made, DeploymentStatus.HEALTHY, live_revision=made.revision)
    note_served(made, "iris:1 answers", by=contributor)
    made.replicas.create(revision=made.revision, number=1, state=ReplicaState.READY, pid=7, node="here", socket="/1")
    page.goto(made.get_absolute_url())
    page.get_by_label("Second version").select_option("Version 2")
    slider = page.get_by_label("of the requests")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(page.locator("output[for=candidate-percent]")).to_have_text("5")
    page.get_by_role("button", name="Start it beside").click()
    expect(page.get_by_text("Second version: iris:2")).to_be_visible()
    made.refresh_from_db()
    assert (str(made.candidate), made.candidate_percent) == ("iris:2", 5)
    assert made.candidate is not None
    made.replicas.create(revision=made.candidate, number=1, state=ReplicaState.READY, pid=8, node="here", socket="/2")
    if folder := os.environ.get("SHOTS"):
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.reload()
            page.screenshot(path=f"{folder}/traffic-{width}.png", full_page=True)
        page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("button", name="Promote iris:2").click()
    page.get_by_role("button", name="Promote it").click()
    expect(page.get_by_role("button", name="Roll back to iris:1")).to_be_visible()
    now = Deployment.objects.get()
    assert (str(now.live_revision), now.candidate, str(now.standby)) == ("iris:2", None, "iris:1")
