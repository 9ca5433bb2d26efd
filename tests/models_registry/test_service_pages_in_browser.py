"""The page that watches a service, and the tabs of its test console, in Chromium: what only a browser shows."""

from __future__ import annotations

import io
import time
from datetime import timedelta
from pathlib import Path

import joblib
import numpy as np
import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from sklearn.datasets import load_iris

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion, SampledRequest
from models_registry.services.monitoring import (
    compare_deployment,
    keep_measures,
    keep_samples,
    record_actuals,
    set_watch,
)
from models_registry.services.monitoring.actuals import Given
from models_registry.services.samples import attach_sample
from models_registry.serving.sampling import Sample
from models_registry.serving.supervisor import Supervisor
from models_registry.status import ReplicaState
from tests.models_registry.conftest import Register, joblib_bytes, wait_for_status
from tests.models_registry.test_measures import counted
from tests.pages.conftest import page  # noqa: F401  (fixture)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGE = "/w/lab/deployments/iris/"
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]


@pytest.fixture
def contributor(owner: User) -> User:
    """The one who is signed in."""
    return owner


@pytest.fixture
def trained(register: Register, iris_model: bytes, contributor: User) -> ModelVersion:
    """A model with names of columns, and the sample of what it was trained on."""
    model = joblib.load(io.BytesIO(iris_model))
    model.feature_names_in_ = np.array(NAMES, dtype=object)
    version = register(joblib_bytes(model))
    x, y = load_iris(return_X_y=True)
    rows = "".join(f"{','.join(map(str, row))},{kind}\n" for row, kind in zip(x.tolist(), y.tolist(), strict=True))
    attach_sample(version, io.BytesIO(f"{','.join(NAMES)},kind\n{rows}".encode()), target="kind", by=contributor)
    return version


def drawn(page: Page, title: str) -> int:  # noqa: F811
    """How many lines or lone points the chart of the card with this title has."""
    card = page.locator(".card", has=page.get_by_role("heading", name=title, exact=True))
    expect(card.locator(".main-svg").first).to_be_visible()
    lines = card.locator(".scatterlayer .js-line").all()
    seen = sum("L" in (line.get_attribute("d") or "") for line in lines)
    points = [point.get_attribute("d") or "M0,0" for point in card.locator(".scatterlayer .point").all()]
    return seen + sum(not path.startswith("M0,0") for path in points)  # one of no size is not seen


def test_the_monitoring_page_draws_what_was_measured_what_moved_and_what_came_true(
    page: Page,  # noqa: F811
    trained: ModelVersion,
    contributor: User,
) -> None:
    service = services.deploy(trained, name="iris", by=contributor)
    page.goto(f"{PAGE}monitoring/")
    expect(page.get_by_text("Nobody has asked it anything in this time")).to_be_visible()
    expect(page.locator(".js-plotly-plot:visible")).to_have_count(0)

    now = timezone.now()
    keep_measures(
        counted(service, *[("iris:1", 200, 0.002)] * 9, ("iris:1", 400, 0.001), at=now - timedelta(minutes=3))
    )
    set_watch(service, sample_percent=100, by=contributor)
    x = load_iris().data + np.array([3.0, 0, 0, 0])
    described = {"feature_names": NAMES, "classes": [0, 1, 2]}
    for number, half in enumerate((x[:75], x[75:])):
        answers = [0] * len(half)
        keep_samples(
            [Sample(str(service.pk), "iris:1", str(number) * 32, "predict", time.time(), described, half, answers)]
        )
    SampledRequest.objects.filter(request_id="0" * 32).update(at=now - timedelta(hours=5))
    compare_deployment(service)
    record_actuals(
        service, [Given("0" * 32, 0, 0), Given("0" * 32, 1, 0), Given("1" * 32, 0, 0), Given("1" * 32, 1, 2)]
    )

    page.reload()
    for title in ("Requests per second", "Errors per second, by status", "Latency", "Calls of the model"):
        assert drawn(page, title) > 0, title
    figures = page.locator("[data-monitoring=figures]")
    expect(figures).to_contain_text("10")
    expect(figures).to_contain_text("1 (10 %)")
    errors = page.locator(".card", has=page.get_by_role("heading", name="Errors per second, by status"))
    expect(errors.locator(".legend")).to_contain_text("400")
    errors.get_by_text("Numbers").press("Enter")
    expect(errors.get_by_role("cell").nth(1)).to_have_text("0.1")  # one in ten seconds

    moved = page.get_by_role("region", name="Columns of iris:1")
    expect(moved.get_by_role("row", name="sepal length")).to_contain_text("moved far")
    expect(moved.get_by_role("row", name="sepal width")).to_contain_text("as trained")
    accuracy = page.locator("[data-accuracy]")
    expect(accuracy.locator(".scatterlayer .point")).to_have_count(2)
    page.get_by_text("Numbers of the chart Accuracy").press("Enter")
    table = page.locator("details", has=page.get_by_text("Numbers of the chart Accuracy")).get_by_role("row")
    assert [row.inner_text().split()[-1] for row in table.all()[1:]] == ["1.000", "0.500"]

    page.get_by_role("link", name="1 hour").click()
    page.wait_for_url("**/monitoring/?range=1h")
    page.go_back()
    expect(page.get_by_role("link", name="15 minutes")).to_have_attribute("aria-current", "true")


def test_the_console_asks_by_its_form_as_json_and_with_a_csv(
    page: Page,  # noqa: F811
    supervisor: Supervisor,
    trained: ModelVersion,
    contributor: User,
    tmp_path: Path,
) -> None:
    service = wait_for_status(services.deploy(trained, name="iris", by=contributor), "Healthy")
    page.goto(PAGE)
    answer = page.locator("[data-console-answer]")
    for name, value in zip(NAMES, ("6.7", "3", "5.2", "2.3"), strict=True):
        page.get_by_label(name, exact=True).fill(value)
    page.get_by_role("button", name="Send").click()
    expect(answer.locator(".console-result strong")).to_have_text("2")
    expect(answer.locator("[data-console-status]")).to_have_text("200")

    # What the form said is the JSON; the keys of the tabs go round, and the address says which one is open
    page.get_by_role("tab", name="Form").press("ArrowRight")
    expect(page.get_by_role("tab", name="JSON")).to_be_focused()
    request = page.locator("#console-request")
    assert "[6.7, 3, 5.2, 2.3]" in request.input_value()
    assert page.url.endswith("?console=json")
    request.fill('{"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3, 5.2, 2.3]], "method": "predict"}')
    request.press("Control+Enter")
    expect(answer.locator("[data-console-response]")).to_have_text("[0, 2]")

    page.get_by_role("tab", name="CSV").click()
    rows = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
    sheet = tmp_path / "two.csv"
    sheet.write_text(
        f"who,{','.join(NAMES)}\n" + "".join(f"row {at},{','.join(map(str, row))}\n" for at, row in enumerate(rows))
    )
    page.locator("[data-console-file]").set_input_files(sheet)
    expect(page.get_by_text("2 rows are scored")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "two-scored.csv"
    scored = Path(download.value.path()).read_text().splitlines()
    assert [(line.split(",")[0], line.split(",")[-1]) for line in scored] == [
        ("who", "prediction"),
        ("row 0", "0"),
        ("row 1", "2"),
    ]
    # The log of the replica that is chosen, which the address names beside the tab
    replica = service.replicas.get(state=ReplicaState.READY)
    page.get_by_role("link", name="Log of replica 1").click()
    expect(page.locator("#log-choice")).to_have_value(replica.key)
    page.wait_for_url(f"**/?console=csv&log={replica.key}*")
    expect(page.locator("#log-text")).to_contain_text("ready after")
    assert Deployment.objects.get().log
