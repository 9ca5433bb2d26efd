"""A database that takes no writes: who reads is answered, who writes is told to try again, and nothing is half-written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import connection
from django.test import Client

from experiments.models import Experiment
from mlportal.access.models import ApiToken, User, Workspace
from tests.api.conftest import Callers, error_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held(callers: Callers) -> Iterator[None]:
    """Another writer has begun, and does not end; here nobody waits 20 seconds for it."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
    connection.close()  # the next test waits as usual


def test_reading_goes_on(callers: Callers, held: None) -> None:
    assert callers["owner"].get("experiments/").status_code == 200
    assert callers["owner"].get("experiments/").status_code == 200
    assert ApiToken.objects.get(user__username="olga").last_used_at is None


def test_writing_is_refused_whole(callers: Callers, held: None) -> None:
    answer = callers["owner"].post("experiments/", {"name": "plans"})
    assert (answer.status_code, error_of(answer)["code"]) == (503, "database_away")
    assert answer["Retry-After"] == "2"
    assert not Experiment.objects.exists()


def test_a_page_says_so(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = client.post("/account/tokens/", {"name": "laptop"})
    assert answer.status_code == 503
    assert "try again in a moment" in answer.content.decode()
    connection.close()
