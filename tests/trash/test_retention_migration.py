"""Portals that have a trash already: what is in it stays, and registered models know their code; and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from mlportal.access.models import Workspace
from tests import past

BEFORE = past.HALTS["before retention"]
AFTER = (("models_registry", "0006_kept_lineage"), ("experiments", "0008_retention"))


@pytest.fixture
def then(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    with past.database("before retention", tmp_path):
        yield


def test_what_is_in_the_trash_stays_there(then: None, workspace: Workspace) -> None:
    earlier = past.models(BEFORE)
    now, w = timezone.now(), workspace.pk
    place = earlier.get_model("experiments", "Experiment").objects.create
    run = earlier.get_model("experiments", "Run").objects.create
    snapshot = earlier.get_model("experiments", "Snapshot").objects.create(
        workspace_id=w, digest="0" * 64, entries=[], file_count=0, size=0
    )
    deleted, archived, listed = (
        place(workspace_id=w, name="deleted", archived_at=now),
        place(workspace_id=w, name="archived", archived_at=now),
        place(workspace_id=w, name="listed"),
    )
    made = [
        run(workspace_id=w, experiment=each, number=n, status="Completed", deleted_at=at, snapshot=snapshot)
        for each, n, at in ((deleted, 1, now), (archived, 1, now), (archived, 2, None), (listed, 1, now))
    ]
    model = earlier.get_model("models_registry", "RegisteredModel").objects.create(workspace_id=w, name="iris")
    earlier.get_model("models_registry", "ModelVersion").objects.create(model=model, version=1, path="m", run=made[0])

    later = past.to(AFTER)
    places = later.get_model("experiments", "Experiment").objects.exclude(deleted_at=None)
    assert [(each.name, each.deleted_at) for each in places] == [("deleted", now)]
    version = later.get_model("models_registry", "ModelVersion").objects.get()
    assert (version.snapshot_id, version.lineage) == (snapshot.pk, None)

    back = past.to(BEFORE)
    assert back.get_model("experiments", "Run").objects.exclude(deleted_at=None).count() == 3
