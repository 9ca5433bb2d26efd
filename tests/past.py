"""Databases of earlier versions of the portal, for tests of what a migration does to what is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.shared import empty_database, once

State = tuple[tuple[str, str], ...]
MODELS, RUNS = "models_registry", "experiments"
# On the way back from today, which is a long one: it is gone once, through every migration, and each test begins at its halt.
HALTS: Final[dict[str, State]] = {
    "before replicas": ((MODELS, "0010_real_example"),),
    "before retention": ((MODELS, "0005_mlflow_registry"), (RUNS, "0007_logged_models")),
    "before revisions": ((MODELS, "0003_model_from_files"),),
}


@contextmanager
def database(halt: str, folder: Path) -> Iterator[None]:
    """The tests' own connection is one to a database of that time, without a row."""
    path = folder / "past.sqlite3"
    shutil.copyfile(_at(halt), path)
    with _on(path):
        yield


def to(state: State) -> Any:
    """Migrate, and return the models of that time."""
    executor = MigrationExecutor(connection)
    return executor.migrate(list(state)).apps


def to_today() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def models(state: State) -> Any:
    return MigrationExecutor(connection).loader.project_state(list(state)).apps


def _at(halt: str) -> Path:
    halts = list(HALTS)
    before = halts.index(halt) - 1

    def go_back(path: Path) -> None:
        shutil.copyfile(_at(halts[before]) if before >= 0 else empty_database(), path)
        with _on(path):
            to(HALTS[halt])

    return once(f"{halt}.sqlite3", go_back)


@contextmanager
def _on(path: Path) -> Iterator[None]:
    connection.close()
    name = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = str(path)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
