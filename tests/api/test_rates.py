"""How often one caller may ask, and what every answer says of it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from experiments.models import Run
from mlportal.access.models import User
from mlportal.access.services import create_token
from mlportal.api import rates
from mlportal.version import VERSION
from tests.api.conftest import Caller, Callers, error_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_whole_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands, so that no minute ends within a test."""
    monkeypatch.setattr(rates, "_now", lambda: 1_000_000_020.0)


def test_answers_tell_what_is_left(callers: Callers, run: Run, settings: Any) -> None:
    settings.API_RATE = 5
    for left in (4, 3):
        answer = callers["reader"].get("runs/")
        assert answer["RateLimit-Limit"] == "5" and answer["RateLimit-Remaining"] == str(left)
        assert answer["RateLimit-Policy"] == '"requests";q=5;w=60'
        assert answer["RateLimit"] == f'"requests";r={left};t={answer["RateLimit-Reset"]}'
        assert 0 < int(answer["RateLimit-Reset"]) <= 60
    assert callers["reader"].get("runs/nothing/")["X-MLPortal-Version"]
    assert callers["reader"].get(f"runs/{'0' * 32}/")["RateLimit-Remaining"] == "2"  # refusals count, too


def test_too_many_are_told_when_to_come_back(callers: Callers, settings: Any) -> None:
    settings.API_RATE = 2
    assert [callers["reader"].get("runs/").status_code for _ in range(3)] == [200, 200, 429]
    answer = callers["reader"].get("runs/")
    assert error_of(answer)["code"] == "too_many_requests"
    assert answer["Retry-After"] == answer["RateLimit-Reset"] and answer["RateLimit-Remaining"] == "0"
    assert callers["owner"].get("runs/").status_code == 200


def test_a_token_does_not_shut_out_its_owners_other_one(callers: Callers, reader: User, settings: Any) -> None:
    settings.API_RATE = 1
    assert [callers["reader"].get("runs/").status_code for _ in range(2)] == [200, 429]
    assert Caller(create_token(reader, "other")[1]).get("runs/").status_code == 200


def test_a_new_minute_begins_anew(callers: Callers, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_RATE = 1
    assert [callers["reader"].get("runs/").status_code for _ in range(2)] == [200, 429]
    monkeypatch.setattr(rates, "_now", lambda: 1_000_000_081.0)
    assert callers["reader"].get("runs/").status_code == 200


def test_a_limit_of_0_is_none(callers: Callers, settings: Any) -> None:
    settings.API_RATE = settings.API_REFUSED_RATE = 0
    answer = callers["reader"].get("runs/")
    assert answer.status_code == 200 and not answer.has_header("RateLimit-Limit")
    assert callers["nobody"].get("runs/").status_code == 401


def test_too_many_refusals_become_429_and_shut_out_no_neighbour(callers: Callers, settings: Any) -> None:
    settings.API_REFUSED_RATE = 2
    wrong = Caller("mlp_wrong")
    assert [wrong.get("runs/").status_code for _ in range(3)] == [401, 401, 429]
    assert callers["nobody"].get("runs/").status_code == 429
    answer = wrong.get("runs/")
    assert int(answer["Retry-After"]) > 0 and "127.0.0.1" in error_of(answer)["message"]
    assert callers["reader"].get("runs/").status_code == 200  # from the same address


def test_counting_takes_next_to_nothing() -> None:
    minute, start = rates.Minute(), time.perf_counter()
    for number in range(10_000):
        minute.count(f"token-{number % 500}", 100)
    assert (time.perf_counter() - start) / 10_000 < 0.0002


@pytest.mark.parametrize("path", ["/api/v1/me/", "/api/v1/nothing/", "/api/schema/", "/api/docs/"])
def test_every_answer_tells_the_version(callers: Callers, path: str) -> None:
    for caller in ("reader", "nobody"):
        assert callers[caller].get(path)["X-MLPortal-Version"] == VERSION


@pytest.mark.parametrize(
    ("agent", "status"),
    [
        ("mlportal-sdk/0.0.9 python/3.8", 426),
        (f"mlportal-sdk/{VERSION} python/3.8", 200),
        ("mlportal-sdk/99.0 python/3.8", 200),
        ("curl/8", 200),
        ("mlportal-sdk/moon", 200),
    ],
)
def test_a_client_that_is_too_old_is_told_so(callers: Callers, agent: str, status: int) -> None:
    answer = callers["reader"].get("/api/v1/me/", **{"User-Agent": agent})
    assert answer.status_code == status
    if status == 426:
        error = error_of(answer)
        assert error["code"] == "client_too_old" and f"install mlportal-sdk {VERSION}" in error["message"]


def test_the_versions_are_one() -> None:
    import tomllib
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    assert tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"] == VERSION
    assert f'__version__ = "{VERSION}"' in (root / "sdk" / "mlportal_sdk" / "__init__.py").read_text()
