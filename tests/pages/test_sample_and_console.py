"""The training sample on a version's page, and the form that the test console makes of it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion, Revision, TrainingSample
from models_registry.status import DeploymentStatus
from tests.pages.test_registry_pages import (  # noqa: F401  (fixtures)
    SIGNATURE,
    as_is,
    carl,
    deployment,
    register,
    rita,
    signed_in,
    text_of,
    version,
)

PAGE = "/w/lab/models/iris/1/"
SERVICE = "/w/lab/deployments/flowers/"
SAMPLE = b"width,<b>city</b>,target\n1.5,Rome,yes\n2.5,Oslo,no\n,Rome,no\n"


def given(found: ModelVersion, by: User, content: bytes = SAMPLE) -> TrainingSample:
    return services.attach_sample(found, io.BytesIO(content), target="target", source="flowers.csv", by=by)


@pytest.fixture
def healthy(deployment: Deployment) -> Deployment:  # noqa: F811
    return as_is(deployment, DeploymentStatus.HEALTHY, live_revision=deployment.revision, signature=SIGNATURE)


def test_a_version_without_a_sample_says_how_to_give_one(carl: Client, rita: Client, version: ModelVersion) -> None:  # noqa: F811
    for reader, may_upload in ((carl, True), (rita, False)):
        text = text_of(reader.get(PAGE))
        assert "training_sample.csv" in text
        assert ('name="file"' in text) == may_upload


def test_a_sample_is_uploaded_shown_and_removed(carl: Client, rita: Client, version: ModelVersion) -> None:  # noqa: F811
    answer = carl.post(f"{PAGE}sample/", {"file": SimpleUploadedFile("flowers.csv", SAMPLE), "target": "target"})
    assert answer["Location"] == f"{PAGE}#sample"
    text = text_of(rita.get(PAGE))
    assert "3 rows, 3 columns" in text and "flowers.csv" in text and "Rome (2), Oslo (1)" in text
    assert "&lt;b&gt;city" in text and "<b>city" not in text
    assert "1.5 to 2.5, median 2" in text and "predicted" in text
    assert "sample/remove/" not in text
    assert "sample/remove/" in text_of(carl.get(PAGE))
    carl.post(f"{PAGE}sample/remove/")
    assert not TrainingSample.objects.exists()
    assert carl.post(f"{PAGE}sample/remove/").status_code == 302


def test_a_file_that_is_no_sample_is_explained_on_the_page(carl: Client, version: ModelVersion) -> None:  # noqa: F811
    for form, said in (
        ({"file": SimpleUploadedFile("x.csv", b"a,a\n1,2\n")}, "Two columns are called"),
        ({"file": SimpleUploadedFile("x.csv", SAMPLE), "target": "y"}, "no column"),
        ({}, "Choose a file"),
    ):
        assert said in text_of(carl.post(f"{PAGE}sample/", form, follow=True))
    assert not TrainingSample.objects.exists()


def test_readers_and_strangers_give_and_remove_nothing(
    rita: Client,  # noqa: F811
    stranger: User,
    contributor: User,
    version: ModelVersion,  # noqa: F811
) -> None:
    given(version, contributor)
    for client, status in ((rita, 403), (signed_in(stranger), 404)):
        file = SimpleUploadedFile("x.csv", b"a\n1\n")
        assert client.post(f"{PAGE}sample/", {"file": file}).status_code == status
        assert client.post(f"{PAGE}sample/remove/").status_code == status
    assert TrainingSample.objects.get().source == "flowers.csv"


def test_a_sample_that_a_worker_could_not_take_is_told(carl: Client, version: ModelVersion) -> None:  # noqa: F811
    inspection = {
        "verdict": "known",
        "format": "joblib",
        "message": "-",
        "imports": [],
        "sample": "x.csv: Two <columns>",
    }
    ModelVersion.objects.update(inspection=inspection)
    assert "x.csv: Two &lt;columns&gt;" in text_of(carl.get(PAGE))


def test_the_form_has_a_field_for_each_input_of_the_sample(
    carl: Client,  # noqa: F811
    contributor: User,
    healthy: Deployment,
    version: ModelVersion,  # noqa: F811
) -> None:
    given(version, contributor)
    text = text_of(carl.get(SERVICE))
    assert 'min="1.5" max="2.5"' in text and "1.5 to 2.5, mostly" in text
    assert '<option value="Rome" selected>Rome</option>' in text
    assert "&lt;b&gt;city" in text and ">target</label>" not in text
    assert "[1.5, &quot;Rome&quot;]" in text  # a real row in the JSON


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", "form"),
        ("?console=json", "json"),
        ("?console=csv", "csv"),
        ("?console=eat", "form"),
    ],
)
def test_the_address_says_which_tab_is_open(carl: Client, healthy: Deployment, query: str, shown: str) -> None:  # noqa: F811
    text = text_of(carl.get(SERVICE + query))
    for tab in ("form", "json", "csv"):
        panel = text[text.index(f'id="console-{tab}"') :]
        assert ("hidden" in panel[: panel.index(">")]) == (tab != shown)


def test_an_entry_script_has_json_alone(carl: Client, healthy: Deployment) -> None:  # noqa: F811
    type(healthy.revision).objects.update(entry_script="score.py")
    text = text_of(carl.get(SERVICE))
    assert 'id="console-json"' in text
    assert 'id="console-form"' not in text and 'id="console-csv"' not in text and "data-console-tab" not in text


def test_many_inputs_can_be_searched(carl: Client, healthy: Deployment) -> None:  # noqa: F811
    wide: dict[str, Any] = {**SIGNATURE, "n_features": 80, "example": [[0.0] * 80]}
    Revision.objects.update(signature=wide)
    text = text_of(carl.get(SERVICE))
    assert "Find one of 80 inputs" in text and "console-fields-many" in text
    Revision.objects.update(signature=SIGNATURE)
    assert "data-console-find" not in text_of(carl.get(SERVICE))
