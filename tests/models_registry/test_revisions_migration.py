"""Services that were made of a version each are made of revisions, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from mlportal.access.models import Workspace

APP = "models_registry"
BEFORE, AFTER = [(APP, "0003_model_from_files")], [(APP, "0004_revisions")]


@pytest.fixture
def migrate(transactional_db: None) -> Iterator[None]:
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def to(state: list[tuple[str, str]]) -> dict[str, Any]:
    executor = MigrationExecutor(connection)
    apps = executor.migrate(state).apps
    names = ["Deployment", "RegisteredModel", "ModelVersion", *(["Revision"] if state == AFTER else [])]
    experiments = {name: apps.get_model("experiments", name) for name in ("Environment", "EnvironmentVersion")}
    return {**{name: apps.get_model(APP, name) for name in names}, **experiments}


def test_every_service_keeps_what_it_is_made_of(migrate: None, workspace: Workspace) -> None:
    there = to(BEFORE)
    environment = there["Environment"].objects.create(workspace_id=workspace.pk, name="e")
    built = there["EnvironmentVersion"].objects.create(
        environment=environment, version=1, definition="-", digest="0" * 64
    )
    model = there["RegisteredModel"].objects.create(workspace_id=workspace.pk, name="iris")
    one, two = (
        there["ModelVersion"].objects.create(model=model, version=number, path="m", environment_version=built)
        for number in (1, 2)
    )
    make = there["Deployment"].objects.create
    make(workspace_id=workspace.pk, name="steady", version=one, live_version=one)
    make(workspace_id=workspace.pk, name="changing", version=two, live_version=one)
    make(workspace_id=workspace.pk, name="stopped", version=two, live_version=None)

    now = to(AFTER)
    labels = {
        row.name: (row.revision.label, row.live_revision and row.live_revision.label)
        for row in now["Deployment"].objects.all()
    }
    assert labels == {"steady": ("iris:1", "iris:1"), "changing": ("iris:2", "iris:1"), "stopped": ("iris:2", None)}
    revisions = now["Revision"].objects.all()
    assert {revision.environment_version_id for revision in revisions} == {built.pk}
    assert {part.version_id for revision in revisions for part in revision.parts.all()} == {one.pk, two.pk}

    back = to(BEFORE)
    versions = {row.name: (row.version_id, row.live_version_id) for row in back["Deployment"].objects.all()}
    assert versions == {"steady": (one.pk, one.pk), "changing": (two.pk, one.pk), "stopped": (two.pk, None)}


def test_a_stopped_service_keeps_what_its_model_has_said(migrate: None, workspace: Workspace) -> None:
    before, after = [(APP, "0010_real_example")], [(APP, "0011_replicas")]
    there = to(before)
    apps = MigrationExecutor(connection).loader.project_state(before).apps
    environment = there["Environment"].objects.create(workspace_id=workspace.pk, name="e")
    built = there["EnvironmentVersion"].objects.create(
        environment=environment, version=1, definition="-", digest="0" * 64
    )
    one, two, unknown = (
        apps.get_model(APP, "Revision").objects.create(
            workspace_id=workspace.pk, label=label, environment_version_id=built.pk
        )
        for label in ("one", "two", "unknown")
    )
    make = apps.get_model(APP, "Deployment").objects.create
    make(workspace_id=workspace.pk, name="stopped", revision=one, signature={"n_features": 4})
    make(workspace_id=workspace.pk, name="changing", revision=unknown, live_revision=two, signature={"n_features": 2})
    make(workspace_id=workspace.pk, name="new", revision=unknown)

    executor = MigrationExecutor(connection)
    now = executor.migrate(after).apps.get_model(APP, "Revision")
    said = {"one": {"n_features": 4}, "two": {"n_features": 2}, "unknown": None}
    assert dict(now.objects.values_list("label", "signature")) == said

    back = MigrationExecutor(connection).migrate(before).apps.get_model(APP, "Deployment")
    known = dict(back.objects.values_list("name", "signature"))
    assert known == {"stopped": {"n_features": 4}, "changing": {"n_features": 2}, "new": None}
