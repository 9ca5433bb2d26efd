"""One action on many runs."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Run
from tests.api.conftest import Callers, error_of
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("role", "status"), [("contributor", 200), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may(callers: Callers, make_run: MakeRun, role: str, status: int) -> None:
    run = make_run()
    answer = callers[role].post("runs/bulk/", {"action": "trash", "runs": [run.uid, "0" * 32]})
    assert answer.status_code == status
    assert Run.objects.kept().exists() == (status != 200)
    if status == 200:
        assert answer.json() == {"done": 1, "refused": []}
    else:
        error_of(answer)


def test_runs_that_a_filter_finds_are_moved(callers: Callers, make_run: MakeRun) -> None:
    for loss in (0.1, 0.2, 0.9):
        make_run(metrics={"loss": loss})
    wish = {"action": "move", "filter": "metrics.loss < 0.5", "experiment": "iris", "to": "good"}
    assert callers["owner"].post("runs/bulk/", wish).json() == {"done": 2, "refused": []}
    moved = callers["owner"].get("runs/", {"experiment": "good"}).json()["results"]
    assert [(run["number"], run["metrics"]["loss"]) for run in moved] == [(2, 0.2), (1, 0.1)]


@pytest.mark.parametrize(
    "wish",
    [
        {"action": "trash"},
        {"action": "trash", "runs": [], "filter": ""},
        {"action": "trash", "filter": "metrics.loss <"},
        {"action": "trash", "filter": "words"},
        {"action": "trash", "runs": ["x"]},
        {"action": "explode", "runs": []},
        {"action": "move", "filter": ""},
        {"action": "tag", "filter": ""},
    ],
)
def test_what_is_wrong_changes_nothing(callers: Callers, make_run: MakeRun, wish: dict[str, Any]) -> None:
    make_run()
    answer = callers["owner"].post("runs/bulk/", wish)
    assert answer.status_code == 400
    error_of(answer)
    assert Run.objects.kept().count() == 1
