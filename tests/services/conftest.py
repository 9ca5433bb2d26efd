"""One server of each kind for all tests of this folder; each portal has a database of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal import Client, Portal
from tests.services.servers import PostgreSQL, RabbitMQ, Redis, running
from tests.shared import migrate, once

TABLES = "tables"  # a database with the tables of a portal, as its migrations make them, and nothing in them


def with_tables(path: Path) -> None:
    """Every process of the suite starts a PostgreSQL, and every portal needs the tables: both are made once."""
    server = PostgreSQL()
    try:
        server.start()
        migrate({"DATABASE_URL": server.new_database(TABLES)})
        server.stop()
        shutil.move(server.folder / "data", path)
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="package")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL(once("postgresql", with_tables))
    with running(server):
        yield server


@pytest.fixture(scope="package")
def redis() -> Iterator[Redis]:
    server = Redis()
    with running(server):
        yield server


@pytest.fixture(scope="package")
def rabbitmq() -> Iterator[RabbitMQ]:
    server = RabbitMQ()
    with running(server):
        yield server


@pytest.fixture(scope="module", params=["rabbitmq", "redis"])
def portal(
    request: pytest.FixtureRequest, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Portal]:
    """A portal on PostgreSQL and one of the brokers."""
    broker: RabbitMQ | Redis = request.getfixturevalue(request.param)
    variables = {
        "DATABASE_URL": postgresql.new_database(f"portal-{request.param}", like=TABLES),
        "BROKER_URL": broker.url,
        "MLPORTAL_LOCAL_SLOTS": "8",
    }
    with Portal(tmp_path_factory.mktemp(request.param) / "home", variables) as portal:
        yield portal


@pytest.fixture(scope="module")
def client(portal: Portal) -> Iterator[Client]:
    with portal.client() as client:
        yield client
