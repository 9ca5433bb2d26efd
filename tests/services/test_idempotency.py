"""One request, sent by many at once with one key, on a database where writers do not wait for each other by themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.portal import Client, Portal
from tests.services.conftest import TABLES
from tests.services.servers import PostgreSQL

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def database(postgresql: PostgreSQL) -> str:
    return postgresql.new_database("idempotency", like=TABLES)


@pytest.fixture(scope="module")
def client(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with (
        Portal(tmp_path_factory.mktemp("idempotency") / "home", {"DATABASE_URL": database}) as portal,
        portal.client() as client,
    ):
        yield client


def start(client: Client, key: str) -> httpx.Response:
    return client.http.post(f"{client.base}/runs/start/", json={"experiment": "e"}, headers={"Idempotency-Key": key})


def test_many_at_once_make_one(client: Client) -> None:
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: start(client, "crowd"), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(client.get("runs/", experiment="e")["results"]) == 1


def test_who_waits_too_long_is_told_to_try_again(client: Client, database: str) -> None:
    assert start(client, "first").status_code == 201
    with psycopg.connect(database) as other:  # as a request of this key that does not end
        person = other.execute("SELECT id FROM access_user WHERE username = 'admin'").fetchone()
        assert person is not None
        digest = hashlib.sha256(f"user-{person[0]} endless".encode()).digest()
        other.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(digest[:8], "big", signed=True)])
        answer = start(client, "endless")
        assert answer.status_code == 409 and answer.headers["Retry-After"] == "1"
        assert answer.json()["error"]["code"] == "in_progress"
    assert start(client, "endless").status_code == 201
