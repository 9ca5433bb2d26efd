"""The page that watches a service, and the measurements that its charts ask for."""

from __future__ import annotations

import io
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, DriftReport, ModelVersion
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
from tests.api.conftest import Caller, error_of
from tests.models_registry.test_measures import counted

PAGE = "/w/lab/deployments/iris/monitoring/"


@pytest.fixture
def service(iris_version: ModelVersion, contributor: User) -> Deployment:
    return services.deploy(iris_version, name="iris", by=contributor)


def test_the_service_leads_to_its_monitoring(service: Deployment, reader: User, client: Client) -> None:
    client.force_login(reader)
    assert PAGE in client.get("/w/lab/deployments/iris/").content.decode()
    text = client.get(f"{PAGE}?range=7d").content.decode()
    assert "Nobody has asked it anything in this time" in text
    assert 'data-range="7d" aria-current="true"' in text
    for query in ("range=nonsense", "", "range="):
        assert 'data-range="15m" aria-current="true"' in client.get(f"{PAGE}?{query}").content.decode()
    assert 'data-range="15m" aria' not in client.get(f"{PAGE}?from=2026-01-01T00:00Z").content.decode()


def test_a_stranger_sees_no_page(service: Deployment, stranger: User, client: Client) -> None:
    client.force_login(stranger)
    assert client.get(PAGE).status_code == 404


def test_members_read_the_measurements(service: Deployment, callers: dict[str, Caller]) -> None:
    keep_measures(counted(service, ("iris:1", 200, 0.002), at=timezone.now() - timedelta(minutes=2)))
    answer = callers["reader"].get("deployments/iris/metrics/")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["step"], body["total"]["requests"], body["total"]["rows"]) == (10, 1, 2)
    assert body["total"]["p50"] == pytest.approx(0.002, rel=0.07)
    assert sum(body["series"][1]["requests"]) == 0.1
    assert callers["stranger"].get("deployments/iris/metrics/").status_code == 404
    longer = {"from": (timezone.now() - timedelta(days=7)).isoformat()}
    assert callers["reader"].get("deployments/iris/metrics/", longer).json()["step"] == 7200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "0001-01-01T00:00:00Z", "step": "31536000"}, "from"),
        ({"to": "0001-01-01T00:00:00Z"}, "from"),
        ({"from": "9999-12-31T23:59:59Z"}, "from"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"from": "2026-01-01T00:00:00Z", "step": "10"}, "step"),
        ({"step": "15"}, "step"),
        ({"step": "0"}, "step"),
        ({"step": "1e9"}, "step"),
        ({"since": "1"}, "since"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    service: Deployment, callers: dict[str, Caller], query: dict[str, Any], field: str
) -> None:
    answer = callers["reader"].get(f"deployments/iris/metrics/?{urlencode(query)}")
    assert answer.status_code == 400
    assert field in str(error_of(answer))


def test_a_time_to_come_is_empty(service: Deployment, callers: dict[str, Caller]) -> None:
    query = {"from": "9000-01-01T00:00:00Z", "to": "9000-01-02T00:00:00Z"}
    body = callers["reader"].get("deployments/iris/metrics/", query).json()
    assert body["times"] == [] and body["total"]["requests"] == 0


def test_the_page_says_what_moved_and_what_came_true(
    service: Deployment, contributor: User, reader: User, client: Client
) -> None:
    client.force_login(reader)
    text = client.get(PAGE).content.decode()
    assert "No requests are kept, so there is nothing to compare" in text
    assert "No actual value is known yet" in text and "monitoring/watch/" not in text
    set_watch(service, sample_percent=100, by=contributor)
    rows = np.array([[0.0, 1.0]] * 120)
    described = {"feature_names": ["<b>size", "colour"], "classes": ["a", "b"]}
    keep_samples([Sample(str(service.pk), "iris:1", "1" * 32, "predict", time.time(), described, rows, ["a"] * 120)])
    compare_deployment(service)
    assert "There is no sample of what it was trained on" in client.get(PAGE).content.decode()
    sample = "".join(f"{number},{number % 2},a\n" for number in range(120))
    attach_sample(
        service.revision.versions[0],
        io.BytesIO(f"<b>size,colour,kind\n{sample}".encode()),
        target="kind",
        by=contributor,
    )
    compare_deployment(service)
    record_actuals(service, [Given("1" * 32, 0, "a"), Given("1" * 32, 1, "b")])
    text = client.get(PAGE).content.decode()
    assert "moved far" in text and "&lt;b&gt;size" in text and "<b>size" not in text
    assert "<dt>Accuracy</dt><dd>0.500</dd>" in text
    assert "120 of at most 10,000 rows" in text
    state = text.partition("quality/?known=")[2].partition('"')[0]
    assert client.get(f"{PAGE}quality/?known={state}").status_code == 204
    assert client.get(f"{PAGE}quality/?known=other").status_code == 200
    DriftReport.objects.create(deployment=service, version="iris:2", at=timezone.now(), flag="warning")
    for page in ("iris/", ""):  # one word for all versions, on its page and in the list
        assert client.get(f"/w/lab/deployments/{page}").content.decode().count("moved</span>") == 1


def test_contributors_say_what_is_kept_on_the_page(
    service: Deployment, contributor: User, reader: User, stranger: User, client: Client
) -> None:
    wish = {"sample_percent": "25", "sample_rows": "500", "psi_warning": "0.1", "psi_alarm": "0.3"}
    wish |= {"significance": "0.05", "least_rows": "50"}
    for person, status in ((stranger, 404), (reader, 403)):
        client.force_login(person)
        for path, body in (("watch/", wish), ("compare/", {}), ("forget/", {})):
            assert client.post(PAGE + path, body).status_code == status
    client.force_login(contributor)
    assert client.post(f"{PAGE}watch/", wish).status_code == 302
    service.refresh_from_db()
    assert (service.watch.sample_percent, service.watch.sample_rows, service.watch.psi_alarm) == (25, 500, 0.3)
    for wrong in ({"sample_percent": "101"}, {"psi_warning": "0.4"}, {"sample_rows": "9999999"}, {"least_rows": "x"}):
        answer = client.post(f"{PAGE}watch/", wish | wrong)
        assert answer.status_code == 400 and "invalid-feedback" in answer.content.decode(), wrong
    assert client.post(f"{PAGE}forget/").status_code == 302
    assert client.post(f"{PAGE}compare/").status_code == 302
