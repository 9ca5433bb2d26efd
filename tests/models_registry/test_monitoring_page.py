"""The page that watches a service, and the measurements that its charts ask for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion
from models_registry.services.monitoring import keep_measures
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
