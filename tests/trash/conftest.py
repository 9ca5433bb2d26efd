"""Runs as they are when they have ended, with real files in the storage."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from experiments import services
from experiments.models import Artifact, Experiment, Metric, Run, Snapshot, Tag
from mlportal.access.models import User, Workspace
from mlportal.blobs import services as blobs

MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(workspace: Workspace, owner: User) -> MakeRun:
    """`make_run("iris", files={"outputs/m": b"…"}, metrics={"acc": 0.9}, tags=["keep"], days=40, parent=…)`"""

    def make(
        experiment: str = "iris",
        *,
        files: Mapping[str, bytes] | None = None,
        metrics: Mapping[str, float | None] | None = None,
        tags: tuple[str, ...] = (),
        days: float = 0,
        **fields: Any,
    ) -> Run:
        place, _ = Experiment.objects.get_or_create(workspace=workspace, name=experiment)
        place.last_number += 1
        place.save(update_fields=["last_number"])
        ended = timezone.now() - timedelta(days=days)
        asked = {"status": "Completed", "created_by": owner, "ended_at": ended, "script": "train.py", **fields}
        run = Run.objects.create(workspace=workspace, experiment=place, number=place.last_number, **asked)
        for path, content in (files or {}).items():
            blob = blobs.put(io.BytesIO(content))
            Artifact.objects.create(run=run, path=path, blob=blob, size=len(content))
        for name, value in (metrics or {}).items():
            Metric.objects.create(run=run, name=name, last=value, last_is_nan=value is None, count=1)
        Tag.objects.bulk_create(Tag(run=run, name=name) for name in tags)
        return run

    return make


@pytest.fixture
def code(workspace: Workspace, owner: User) -> Callable[[bytes], Snapshot]:
    def code(content: bytes) -> Snapshot:
        return services.take_files(workspace, [("train.py", io.BytesIO(content))], by=owner).snapshot

    return code


@pytest.fixture
def few_parameters(db: None) -> Iterator[None]:
    """A query has 400, where SQLite has some ten thousands."""
    if connection.vendor != "sqlite":
        yield
        return
    before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 400)
    yield
    connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)


def trashed(run: Run, by: User, *, days: float = 0) -> Run:
    """In the trash since so many days."""
    services.trash_run(run, by=by)
    if days:
        Run.objects.filter(pk__in=Run.objects.filter(pk=run.pk).with_descendants()).update(
            deleted_at=timezone.now() - timedelta(days=days)
        )
        run.refresh_from_db()
    return run
