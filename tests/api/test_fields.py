"""`?fields=` chooses what an answer has."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments.models import Run
from tests.api.conftest import Callers, error_of

pytestmark = pytest.mark.django_db


def test_a_list_has_what_was_asked_for(callers: Callers, run: Run) -> None:
    answer = callers["reader"].get("runs/", {"fields": "id,status"}).json()
    assert answer == {"results": [{"id": run.uid, "status": "NotStarted"}], "next": None, "previous": None}


def test_an_object_has_what_was_asked_for(callers: Callers, run: Run) -> None:
    assert callers["reader"].get(f"runs/{run.uid}/", {"fields": "number, tags"}).json() == {
        "number": 1,
        "tags": {"team": "blue"},
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [("compute/", "name"), ("compute/local/", "slots"), ("/api/v1/me/", "username"), ("runs/{}/events/", "new")],
)
def test_answers_that_are_not_rows_can_be_chosen_from(callers: Callers, run: Run, path: str, name: str) -> None:
    answer = callers["reader"].get(path.format(run.uid), {"fields": name}).json()
    assert set(answer[0] if isinstance(answer, list) else answer) == {name}


def test_an_unknown_name_is_told_with_what_there_is(callers: Callers) -> None:
    for path in ("runs/", "compute/"):  # there is no run: the names are known all the same
        answer = callers["reader"].get(path, {"fields": "name,moon"})
        assert answer.status_code == 400
        error = error_of(answer)
        assert error["code"] == "unknown_field" and "'moon'" in error["message"] and "name" in error["message"]


@pytest.mark.parametrize("asked", ["", ",", "id,,status"])
def test_an_empty_name_is_refused(callers: Callers, asked: str) -> None:
    assert callers["reader"].get("runs/", {"fields": asked}).status_code == 400


def test_it_is_for_reading_only(callers: Callers) -> None:
    answer = callers["owner"].post("experiments/?fields=name", {"name": "trials"})
    assert answer.status_code == 400 and error_of(answer)["code"] == "unknown_parameter"


def test_what_is_left_out_is_not_asked_of_the_database(callers: Callers, run: Run) -> None:
    def queries(**query: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            assert callers["reader"].get("runs/", query).status_code == 200
        return len(caught)

    queries()  # notes the token's use
    assert queries(fields="id,status") == queries() - 4  # tags, parameters, properties, metrics
