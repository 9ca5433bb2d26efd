"""`filter=` and `order_by=` of the runs' collection."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller, Callers, error_of
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def five(make_run: MakeRun) -> None:
    for number in range(5):
        metrics = {"loss": number / 10} if number != 3 else {}
        make_run(name="abcde"[number], metrics=metrics, params={"kernel": "rbf" if number % 2 else "poly"})


def names(caller: Caller, **query: Any) -> str:
    answer = caller.get("runs/", query)
    assert answer.status_code == 200, answer.content
    return "".join(run["name"] for run in answer.json()["results"])


def test_runs_are_filtered_and_ordered(callers: Callers, five: None) -> None:
    reader = callers["reader"]
    assert names(reader, filter="metrics.loss > 0.05 and params.kernel = 'poly'") == "ec"
    assert names(reader, order_by="metrics.loss") == "abced"
    assert names(reader, order_by=["params.kernel", "name DESC"]) == "ecadb"
    assert names(reader, filter="metrics.loss >= 0", order_by="metrics.loss DESC", search="e") == "e"
    assert callers["stranger"].get("runs/", {"order_by": "name"}).status_code == 404


def test_pages_in_an_order_go_forth_and_back(callers: Callers, five: None) -> None:
    found, links = "", []
    answer = callers["owner"].get("runs/", {"order_by": "metrics.loss", "page_size": 2}).json()
    while True:
        found += "".join(run["name"] for run in answer["results"])
        links.append(answer["previous"])
        if not answer["next"]:
            break
        answer = callers["owner"].get(answer["next"].replace("http://testserver", "")).json()
    assert found == "abced"
    assert links[0] is None
    back = callers["owner"].get(links[-1].replace("http://testserver", "")).json()
    assert [run["name"] for run in back["results"]] == ["c", "e"]


@pytest.mark.parametrize(
    "query", [{"filter": "metrics.loss <"}, {"filter": "plain words"}, {"order_by": "password"}, {"order_by": ""}]
)
def test_what_is_wrong_is_told(callers: Callers, five: None, query: dict[str, str]) -> None:
    answer = callers["owner"].get("runs/", query)
    assert answer.status_code == 400
    error_of(answer)
