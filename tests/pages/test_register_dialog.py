"""The dialog that registers a model, in a browser: what is typed there is what the model has."""

from __future__ import annotations

import io

import pytest
from playwright.sync_api import Page

from experiments import services
from experiments.models import Artifact, ComputeTarget, Run
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.blobs import services as blobs
from models_registry.models import ModelVersion
from tests.conftest import TINY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def run(workspace: Workspace, owner: User) -> Run:
    ComputeTarget.objects.get_or_create(name="local")
    files = [("train.py", io.BytesIO(b"pass\n"))]
    run = services.submit_run(
        workspace,
        experiment="iris",
        snapshot=services.take_files(workspace, files, by=owner).snapshot,
        environment_version=services.add_version(workspace, "tiny", TINY, by=owner),
        script="train.py",
        by=owner,
    )
    blob = blobs.put(io.BytesIO(b"bytes"))
    Artifact.objects.create(run=run, path="outputs/model.joblib", blob=blob, size=5)
    Run.objects.filter(pk=run.pk).update(status=RunStatus.COMPLETED)
    return run


def test_tags_are_typed_as_lines(page: Page, run: Run) -> None:
    page.goto(run.get_absolute_url())
    page.get_by_role("button", name="Register model").click()
    dialog = page.get_by_role("dialog", name="Register a model")
    dialog.get_by_label("Tags").fill("stage=candidate\n\n  query = a=b, c \nreviewed")
    dialog.get_by_role("button", name="Register").click()
    page.wait_for_url("**/models/iris/1/")
    assert ModelVersion.objects.get().tags == {"stage": "candidate", "query": "a=b, c", "reviewed": ""}
