"""Services that were made of a version each are made of revisions, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlportal.access.models import Workspace
from models_registry.models import Deployment
from tests import past

APP = "models_registry"
BEFORE, AFTER = past.HALTS["before revisions"], ((APP, "0004_revisions"),)
BEFORE_REPLICAS, WITH_REPLICAS = past.HALTS["before replicas"], ((APP, "0011_replicas"),)


@pytest.fixture
def then(request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path) -> Iterator[None]:
    with past.database(request.param, tmp_path):
        yield


def models(apps: Any, *more: str) -> dict[str, Any]:
    names = ("Deployment", "RegisteredModel", "ModelVersion", *more)
    experiments = {name: apps.get_model("experiments", name) for name in ("Environment", "EnvironmentVersion")}
    return {**{name: apps.get_model(APP, name) for name in names}, **experiments}


@pytest.mark.parametrize("then", ["before revisions"], indirect=True)
def test_every_service_keeps_what_it_is_made_of(then: None, workspace: Workspace) -> None:
    there = models(past.models(BEFORE))
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

    now = models(past.to(AFTER), "Revision")
    labels = {
        row.name: (row.revision.label, row.live_revision and row.live_revision.label)
        for row in now["Deployment"].objects.all()
    }
    assert labels == {"steady": ("iris:1", "iris:1"), "changing": ("iris:2", "iris:1"), "stopped": ("iris:2", None)}
    revisions = now["Revision"].objects.all()
    assert {revision.environment_version_id for revision in revisions} == {built.pk}
    assert {part.version_id for revision in revisions for part in revision.parts.all()} == {one.pk, two.pk}

    back = models(past.to(BEFORE))
    versions = {row.name: (row.version_id, row.live_version_id) for row in back["Deployment"].objects.all()}
    assert versions == {"steady": (one.pk, one.pk), "changing": (two.pk, one.pk), "stopped": (two.pk, None)}

    past.to_today()
    today = {row.name: row.revision.label for row in Deployment.objects.all()}
    assert today == {"steady": "iris:1", "changing": "iris:2", "stopped": "iris:2"}


@pytest.mark.parametrize("then", ["before replicas"], indirect=True)
def test_a_stopped_service_keeps_what_its_model_has_said(then: None, workspace: Workspace) -> None:
    apps = past.models(BEFORE_REPLICAS)
    there = models(apps)
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

    now = past.to(WITH_REPLICAS).get_model(APP, "Revision")
    said = {"one": {"n_features": 4}, "two": {"n_features": 2}, "unknown": None}
    assert dict(now.objects.values_list("label", "signature")) == said

    back = past.to(BEFORE_REPLICAS).get_model(APP, "Deployment")
    known = dict(back.objects.values_list("name", "signature"))
    assert known == {"stopped": {"n_features": 4}, "changing": {"n_features": 2}, "new": None}
