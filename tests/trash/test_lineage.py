"""A registered model outlives the run that it came from."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from experiments import services
from experiments.models import Metric, Parameter, Run, Snapshot
from experiments.services import purging
from mlportal.access.models import User, Workspace
from models_registry.models import ModelVersion
from models_registry.services import delete_version, open_file, register_model
from tests.api.conftest import Callers, callers
from tests.trash.conftest import MakeRun, trashed

__all__ = ["callers"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def orphan(make_run: MakeRun, code: Callable[[bytes], Snapshot], owner: User, workspace: Workspace) -> ModelVersion:
    """Its run is deleted for good."""
    run = make_run(
        files={"outputs/model.joblib": b"m" * 10, "logs/l": b"l" * 5}, snapshot=code(b"print(1)"), name="best"
    )
    Parameter.objects.create(run=run, name="depth", value="3")
    Metric.objects.create(run=run, name="acc", last=0.5, count=1)
    Metric.objects.create(run=run, name="loss", last=math.inf, count=1)
    Metric.objects.create(run=run, name="nothing", last=None, last_is_nan=True, count=1)
    version = register_model(run, name="iris", path="outputs/model.joblib", by=owner)
    services.purge_runs(workspace, runs=[trashed(run, owner)], by=owner)
    purging.resume()
    assert not Run.objects.exists()
    version.refresh_from_db()
    return version


def test_its_files_its_code_and_where_it_came_from_stay(orphan: ModelVersion) -> None:
    assert orphan.run is None and orphan.lineage and orphan.snapshot is not None
    assert open_file(orphan, "model.joblib")[1].read() == b"m" * 10
    assert [name for name, _, _ in orphan.snapshot.entries] == ["train.py"]
    said = orphan.lineage
    assert (said["name"], said["experiment"], said["script"], said["number"]) == ("best", "iris", "train.py", 1)
    assert said["parameters"] == {"depth": "3"}
    assert said["metrics"] == {"acc": 0.5, "loss": "Infinity", "nothing": "NaN"}


def test_the_api_tells_it(orphan: ModelVersion, callers: Callers) -> None:
    told = callers["reader"].get("models/iris/versions/1/").json()
    assert orphan.lineage and orphan.snapshot
    assert (told["run"], told["snapshot"], told["lineage"]) == (
        orphan.lineage["run"], orphan.snapshot.uid, orphan.lineage,
    )  # fmt: skip
    found = callers["reader"].get("model-versions/", {"run": told["run"]}).json()["results"]
    assert [row["id"] for row in found] == ["iris:1"]
    assert callers["reader"].get(f"snapshots/{told['snapshot']}/").status_code == 200


def test_with_the_model_the_code_goes_too(orphan: ModelVersion, owner: User) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from experiments.services import snapshots

    snapshots.delete_unused(timezone.now() + timedelta(days=1))
    assert Snapshot.objects.count() == 1
    delete_version(orphan, by=owner)
    snapshots.delete_unused(timezone.now() + timedelta(days=1))
    assert not Snapshot.objects.exists()


def test_the_bytes_of_a_model_are_not_promised(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    run = make_run(files={"outputs/model.joblib": b"m" * 10, "logs/l": b"l" * 5})
    register_model(run, name="iris", path="outputs/model.joblib", by=owner)
    plan = services.plan_purge(workspace, runs=[trashed(run, owner)])
    assert (plan.freed_bytes, services.models_of(plan.runs)) == (5, ["iris:1"])
    assert services.freed_by_each({run.pk: [run.pk]}) == {run.pk: 5}
    used = services.usage(workspace)
    assert (used.runs, used.models, used.trash, used.total) == (15, 10, 5, 15)
