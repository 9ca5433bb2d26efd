"""What a service is asked, compared with the training sample of its version."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, DriftReport, ModelVersion
from models_registry.services.monitoring import compare_deployment, compare_where_new, keep_samples, set_watch
from models_registry.services.samples import attach_sample
from models_registry.serving.sampling import Sample
from tests.api.conftest import Caller


@pytest.fixture
def service(iris_version: ModelVersion, contributor: User) -> Deployment:
    made = services.deploy(iris_version, name="iris", by=contributor)
    set_watch(made, sample_percent=100, by=contributor)
    return made


@pytest.fixture
def trained(iris_version: ModelVersion, contributor: User) -> ModelVersion:
    """300 rows: `size` around 0, `colour` red or blue, and the target `kind`."""
    rng = np.random.default_rng(0)
    rows = zip(rng.normal(size=300), ["red", "blue"] * 150, [0, 1, 1] * 100, strict=True)
    text = "size,colour,kind\n" + "".join(f"{size},{colour},{kind}\n" for size, colour, kind in rows)
    attach_sample(iris_version, io.BytesIO(text.encode()), target="kind", by=contributor)
    return iris_version


def ask(service: Deployment, sizes: Sequence[float], names: list[str] | None = None, version: str = "iris:1") -> None:
    rows = {"rows": [[size, "red" if number % 2 else "blue"] for number, size in enumerate(sizes)]}
    described = {"feature_names": names, "classes": [0, 1]}
    kinds = np.array([(0, 1, 1)[number % 3] for number in range(len(sizes))])
    name = f"{DriftReport.objects.count():08x}{service.samples.count():024x}"
    keep_samples([Sample(str(service.pk), version, name, "predict", time.time(), described, rows, kinds)])


def normal(mean: float, rows: int = 200) -> list[float]:
    return [float(size) for size in np.random.default_rng(7).normal(mean, 1, size=rows)]


def test_a_feature_that_moved_is_flagged_and_the_others_are_not(service: Deployment, trained: ModelVersion) -> None:
    ask(service, normal(2), ["size", "colour"])
    compare_where_new()
    report = DriftReport.objects.get()
    assert (report.version, report.rows, report.flag, report.problem) == ("iris:1", 200, "alarm", "")
    flags = {column["name"]: column["flag"] for column in report.columns}
    assert flags == {"size": "alarm", "colour": "", "(prediction)": ""}
    assert report.columns[0]["name"] == "size"  # the worst comes first


def test_the_newest_rows_are_compared_so_that_a_change_does_not_fade(
    service: Deployment, trained: ModelVersion, settings: Any
) -> None:
    settings.DRIFT_ROWS = 200
    for mean in (0, 0, 0, 2):
        ask(service, normal(mean), ["size", "colour"])
    compare_where_new()
    report = DriftReport.objects.get()
    assert (report.rows, report.flag) == (200, "alarm")
    assert report.since == service.samples.latest("pk").at


def test_columns_without_names_are_those_of_the_sample_in_its_order(service: Deployment, trained: ModelVersion) -> None:
    ask(service, normal(0))
    compare_deployment(service)
    report = DriftReport.objects.get()
    assert {column["name"] for column in report.columns} == {"size", "colour", "(prediction)"} and report.flag == ""


@pytest.mark.parametrize("names", [["size", "colour"], None])
def test_the_column_that_no_request_has_is_the_predicted_one(
    service: Deployment, trained: ModelVersion, contributor: User, names: list[str] | None
) -> None:
    text = "size,colour,kind\n" + "".join(f"{size},{'red' if size < 0 else 'blue'},1\n" for size in normal(0))
    attach_sample(trained, io.BytesIO(text.encode()), by=contributor)
    ask(service, normal(0), names)
    compare_deployment(service)
    columns = {column["name"]: column["flag"] for column in DriftReport.objects.get().columns}
    assert columns.keys() == {"size", "colour", "(prediction)"} and columns["(prediction)"] == "alarm"


def test_what_is_known_already_is_not_compared_again(service: Deployment, trained: ModelVersion) -> None:
    ask(service, normal(0), ["size", "colour"])
    compare_where_new()
    first = DriftReport.objects.get()
    compare_where_new()
    assert DriftReport.objects.get().at == first.at
    ask(service, normal(3), ["size", "colour"])
    compare_where_new()
    assert DriftReport.objects.get().rows == 400


def test_a_version_without_a_sample_and_one_with_few_rows_say_so(
    service: Deployment, iris_version: ModelVersion, contributor: User
) -> None:
    ask(service, normal(0), ["size", "colour"])
    ask(service, normal(0), ["size", "colour"], version="gone:7")
    compare_deployment(service)
    assert {report.version: report.problem for report in DriftReport.objects.all()} == {
        "iris:1": "no_sample",
        "gone:7": "no_sample",
    }
    attach_sample(iris_version, io.BytesIO(b"size,other\n1,2\n2,3\n"), by=contributor)
    set_watch(service, least_rows=201, by=contributor)
    compare_deployment(service)
    assert DriftReport.objects.get(version="iris:1").problem == "few_rows"
    set_watch(service, least_rows=200, by=contributor)
    attach_sample(iris_version, io.BytesIO(b"a,b,c\n1,2,3\n2,3,4\n"), by=contributor)
    compare_deployment(service)
    assert DriftReport.objects.get(version="iris:1").problem == "no_common_column"


def test_members_read_what_moved(service: Deployment, trained: ModelVersion, callers: dict[str, Caller]) -> None:
    ask(service, normal(2), ["size", "colour"])
    compare_deployment(service)
    (told,) = callers["reader"].get("deployments/iris/drift/").json()
    assert (told["flag"], told["columns"][0]["name"]) == ("alarm", "size")
    assert callers["stranger"].get("deployments/iris/drift/").status_code == 404
    assert callers["reader"].post("deployments/iris/drift/").status_code == 403
    assert callers["contributor"].post("deployments/iris/drift/").status_code == 202
