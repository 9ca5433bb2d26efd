"""A workspace is emptied: all that runs made of it is gone, and the rest stays."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments import services as experiment_services
from experiments.models import ComputeTarget, Environment, Experiment, Run
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from mlportal.blobs.models import Blob
from mlportal.errors import BadInput, Conflict, NotAllowed
from models_registry import services
from models_registry.models import Deployment, RegisteredModel
from tests.models_registry.conftest import MakeRun

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def full(make_run: MakeRun, workspace: Workspace, owner: User) -> Run:
    """A finished run with a deployed model, a run of a client that goes on, one in the trash, and one in another workspace."""
    run = make_run({"outputs/model.joblib": b"bytes"})
    services.deploy(services.register_model(run, name="iris", path="outputs/model.joblib", by=owner), by=owner)
    default = experiment_services.default_experiment(workspace)
    experiment_services.start_run(workspace, experiment=default, by=owner)
    experiment_services.trash_run(experiment_services.start_run(workspace, experiment="gone", by=owner), by=owner)
    elsewhere = create_workspace("elsewhere", by=owner)
    experiment_services.start_run(elsewhere, experiment="there", by=owner)
    return run


def test_all_of_it_goes_and_nothing_else(full: Run, workspace: Workspace, owner: User) -> None:
    purge = services.empty_workspace(workspace, confirm="lab", by=owner)
    assert purge is not None and purge.run_count == 3
    assert not Run.objects.in_workspace(workspace).exists()
    assert [each.name for each in Experiment.objects.in_workspace(workspace)] == ["Default"]
    assert not RegisteredModel.objects.exists() and not Deployment.objects.exists()
    assert Run.objects.count() == 1 and Environment.objects.filter(workspace=workspace).exists()
    assert not Blob.objects.unreferenced().filter(size=5).exists()
    assert experiment_services.start_run(workspace, experiment="new", by=owner).number == 1
    assert services.empty_workspace(create_workspace("bare", by=owner), confirm="bare", by=owner) is None


def test_not_while_the_portal_executes_a_run(full: Run, workspace: Workspace, owner: User) -> None:
    target = ComputeTarget.objects.create(name="busy")
    Run.objects.filter(pk=full.pk).update(status=RunStatus.RUNNING, compute_target=target)
    before = Run.objects.count()
    with pytest.raises(Conflict) as refusal:
        services.empty_workspace(workspace, confirm="lab", by=owner)
    assert refusal.value.code == "not_ended"
    assert Run.objects.count() == before and Deployment.objects.exists()


def test_who_may_and_how(client: Client, full: Run, workspace: Workspace, contributor: User, owner: User) -> None:
    with pytest.raises(NotAllowed):
        services.empty_workspace(workspace, confirm="lab", by=contributor)
    with pytest.raises(BadInput):
        services.empty_workspace(workspace, confirm="other", by=owner)
    client.force_login(contributor)
    assert "Empty the workspace" not in client.get("/w/lab/trash/").content.decode()
    client.force_login(owner)
    assert "Empty the workspace" in client.get("/w/lab/trash/").content.decode()
    answer = client.post("/api/v1/workspaces/lab/empty/", {"confirm": "no"}, content_type="application/json")
    assert answer.status_code == 400 and Run.objects.in_workspace(workspace).exists()
    said = client.post("/w/lab/empty/", {"confirm": "lab"}, follow=True).content.decode()
    assert "lab is empty" in said and not Run.objects.in_workspace(workspace).exists()
    answer = client.post("/api/v1/workspaces/lab/empty/", {"confirm": "lab"}, content_type="application/json")
    assert answer.status_code == 204
