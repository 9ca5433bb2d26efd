"""What services are asked and answer is kept as far as they are told to, and compared with what came true."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from arro3.io import read_parquet

from mlportal.access.models import User
from mlportal.errors import BadInput, NotAllowed
from models_registry import services
from models_registry.models import ActualValue, Deployment, ModelVersion, SampledRequest
from models_registry.services.keys import pair_of
from models_registry.services.monitoring import (
    keep_samples,
    live_accuracy,
    record_actuals,
    samples_table,
    set_watch,
    tidy_samples,
)
from models_registry.services.monitoring.actuals import Given
from models_registry.services.monitoring.packing import unpack
from models_registry.serving.asgi import requests as request_buffer
from models_registry.serving.portal_routes import told
from models_registry.serving.sampling import MOST_WAITING, Sample, Samples
from models_registry.serving.supervisor import Supervisor
from models_registry.serving.worker.protocol import body_of
from tests.api.conftest import Caller, error_of, read_whole
from tests.models_registry.conftest import gateway, until, wait_for_status
from tests.models_registry.test_gateway_on_portal import IRIS, bearer

NAMES = ["length", "width"]


@pytest.fixture
def service(iris_version: ModelVersion, contributor: User) -> Deployment:
    return services.deploy(iris_version, name="iris", by=contributor)


@pytest.fixture
def sampling(service: Deployment, contributor: User) -> Deployment:
    set_watch(service, sample_percent=100, by=contributor)
    return service


def asked(service: Deployment, number: int, predictions: Any, rows: Any = None, **more: Any) -> Sample:
    """A request whose model answered with these predictions."""
    rows = np.arange(2.0 * len(predictions)).reshape(-1, 2) if rows is None else rows
    described = more.pop("describe", {"feature_names": NAMES, "classes": None})
    place = more.pop("version", "iris:1")
    return Sample(
        str(service.pk), place, f"{number:032x}", "predict", time.time(), described, rows, predictions, **more
    )


@pytest.fixture
def http(transactional_db: None) -> Iterator[httpx.Client]:
    with gateway() as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client
    request_buffer.flush()


def test_requests_are_kept_and_what_came_true_is_posted_by_the_caller(
    http: httpx.Client, supervisor: Supervisor, iris_version: ModelVersion, contributor: User
) -> None:
    iris = wait_for_status(services.deploy(iris_version, name="iris", by=contributor), "Healthy", "Failed")
    headers = bearer(pair_of(iris)[0])
    assert http.post("/services/iris/score", json=IRIS, headers=headers).status_code == 200
    request_buffer.flush()
    assert not SampledRequest.objects.exists()  # nobody asked for it
    set_watch(iris, sample_percent=100, by=contributor)
    told()
    answer = http.post("/services/iris/score", json=IRIS, headers=headers)
    assert http.post("/services/iris/score", json={"data": [[1]]}, headers=headers).status_code == 400
    until(SampledRequest.objects.exists)  # a thread may be writing it just now
    row = SampledRequest.objects.get()
    sampled = unpack(row.data)
    assert (row.request_id, row.version, row.rows) == (answer.headers["x-request-id"], "iris:1", 2)
    assert sampled.rows == IRIS["data"] and sampled.values == answer.json() == [0, 2]

    one = {"id": f"{row.request_id}/0", "actual": 0}
    for refused in ({}, bearer("mls_wrong")):
        assert http.post("/services/iris/actuals", json=one, headers=refused).status_code == 401
    for verb, path, body, status in (
        ("GET", "/services/iris/actuals", None, 405),
        ("POST", "/services/nothing/actuals", b"{}", 404),
        ("POST", "/services/iris/actuals", b"{", 400),
        ("POST", "/services/iris/actuals", b"[]", 400),
        ("POST", "/services/iris/x/actuals", b"[]", 404),
    ):
        refusal = http.request(verb, path, content=body, headers=headers)
        assert refusal.status_code == status, path
        assert refusal.json()["error"]["message"]
    assert not ActualValue.objects.exists()
    both = {"id": row.request_id, "actuals": [0, 1]}
    counts = http.post("/services/iris/actuals", json=both, headers=headers).json()
    assert (counts["matched"], counts["unknown"]) == (2, 0)
    assert http.post("/services/iris/actuals", json=both, headers=headers).json()["unchanged"] == 2
    (accuracy,) = live_accuracy(iris)
    assert (accuracy["accuracy"], accuracy["count"], accuracy["version"]) == (0.5, 2, "iris:1")
    assert accuracy["confusion"] == {"labels": ["0", "1", "2"], "counts": [[1, 0, 0], [0, 0, 1], [0, 0, 0]]}
    services.delete(iris, by=contributor)
    assert not SampledRequest.objects.exists() and not ActualValue.objects.exists()


def test_only_the_newest_rows_stay(sampling: Deployment, contributor: User) -> None:
    set_watch(sampling, sample_rows=10, by=contributor)
    keep_samples([asked(sampling, number, [1.0] * 3) for number in range(9)])
    tidy_samples()
    assert [row.request_id[-1] for row in SampledRequest.objects.order_by("pk")] == ["6", "7", "8"]
    for number, most in ((98, 10), (99, 1000)):  # of a large request the first rows
        keep_samples([asked(sampling, number, [1.0] * 5000)])
        tidy_samples()
        assert SampledRequest.objects.latest("pk").rows == most
        set_watch(sampling, sample_rows=2000, by=contributor)


def test_what_has_no_row_a_prediction_is_left_out(sampling: Deployment, contributor: User) -> None:
    raw = SimpleNamespace
    keep_samples(
        [
            asked(sampling, 1, [1.0], rows=np.zeros((2, 2))),
            asked(sampling, 2, {"answer": 1}, rows=np.zeros((2, 2))),
            asked(sampling, 3, ["\ud800"], rows=np.zeros((1, 2))),
            asked(sampling, 4, raw(body=b"[1]"), rows=raw(body=b"not json")),
            asked(sampling, 5, raw(body=b"[1]"), rows=raw(body=b'{"data": [[1, 2], [3, 4]]}')),
            asked(sampling, 6, raw(body=b'"[7, 8]"'), rows=raw(body=b'{"data": [[1, 2], [3, 4]]}')),
            asked(sampling, 7, ["a", "b"], rows={"rows": ["a text", "another"]}),
            asked(sampling, 8, raw(body=b'"%s"' % (b"[" * 100_000)), rows=raw(body=b'{"data": [[1, 2]]}')),
        ]
    )
    assert [row.request_id[-1] for row in SampledRequest.objects.order_by("pk")] == ["6", "7"]
    assert unpack(SampledRequest.objects.order_by("pk")[0].data).predictions == [7, 8]
    assert unpack(SampledRequest.objects.order_by("pk")[1].data).rows == [["a text"], ["another"]]


def test_one_value_a_row_is_a_table_of_one_column(sampling: Deployment) -> None:
    keep_samples([asked(sampling, 1, np.array([5.0, 6.0]), rows=np.array([1.0, 2.0]), describe={})])
    names, rows = samples_table(sampling)
    assert names[4:] == ["x0", "prediction", "actual"]
    assert [row[4:6] for row in rows] == [[1.0, 5.0], [2.0, 6.0]]


def test_of_wide_answers_as_many_rows_are_kept_as_can_be_read_again(sampling: Deployment) -> None:
    wide = np.random.default_rng(0).random((1000, 3000))
    keep_samples([asked(sampling, 1, wide, rows=np.zeros((1000, 2)))])
    row = SampledRequest.objects.get()
    assert 0 < row.rows < 1000
    sampled = unpack(row.data)
    assert len(sampled.rows) == row.rows and sampled.predictions == wide[: row.rows].tolist()
    assert record_actuals(sampling, [Given(f"{1:032x}", row.rows, 1)])["unknown"] == 1


def test_what_is_kept_is_bounded_in_bytes_too(sampling: Deployment, settings: Any) -> None:
    keep_samples([asked(sampling, number, [1.0] * 3) for number in range(5)])
    settings.SAMPLED_BYTES = 2 * len(SampledRequest.objects.all()[0].data) + 10
    tidy_samples()
    assert [row.request_id[-1] for row in SampledRequest.objects.order_by("pk")] == ["3", "4"]


@pytest.mark.parametrize("rows", [np.array([[1.0, 2.0], [3.0, 4.0]]), {"rows": [[1.0, 2.0], [3.0, 4.0]]}])
def test_large_requests_are_kept_though_they_are_encoded_already(sampling: Deployment, rows: Any) -> None:
    keep_samples([asked(sampling, 1, np.array([5, 6]), rows=body_of(rows))])
    sampled = unpack(SampledRequest.objects.get().data)
    assert (sampled.rows, sampled.predictions) == ([[1, 2], [3, 4]], [5, 6])


def test_what_waits_to_be_written_is_bounded(service: Deployment) -> None:
    waiting = Samples()
    for number in range(MOST_WAITING + 5):
        waiting.add(asked(service, number, [1.0]))
    assert (len(waiting.take()), waiting.dropped) == (MOST_WAITING, 5)
    waiting.add(asked(service, 1, np.zeros(10_000_000)))
    assert waiting.dropped == 6 and waiting.take() == []


def test_a_service_that_was_told_to_stop_keeping_keeps_no_more(sampling: Deployment, contributor: User) -> None:
    set_watch(sampling, sample_percent=0, by=contributor)
    keep_samples([asked(sampling, 1, [1.0])])
    assert not SampledRequest.objects.exists()


def test_the_last_value_for_a_row_counts(sampling: Deployment) -> None:
    keep_samples([asked(sampling, 1, [1.0, 2.0]), asked(sampling, 2, [3.0])])
    first, second, absent = (f"{number:032x}" for number in (1, 2, 3))
    given = [Given(first, 0, 1.5), Given(first, 1, 2.0), Given(first, 2, 9), Given(absent, 0, 9)]
    told = record_actuals(sampling, given)
    assert (told["matched"], told["unknown"]) == (2, 2)
    assert told["unknown_ids"] == [f"{first}/2", f"{absent}/0"]
    told = record_actuals(sampling, [Given(first, 0, 3.0), Given(first, 1, 2.0), Given(second, 0, 3.0)])
    assert (told["matched"], told["changed"], told["unchanged"], told["unknown"]) == (1, 1, 1, 0)
    (found,) = live_accuracy(sampling)
    assert (found["kind"], found["count"], found["mae"]) == ("numbers", 3, pytest.approx(2 / 3))
    assert found["rmse"] == pytest.approx((4 / 3) ** 0.5)
    assert found["r2"] == pytest.approx(1 - 4 / (2 / 3))


def test_versions_are_told_apart_and_probabilities_are_classes(sampling: Deployment) -> None:
    classes = {"feature_names": NAMES, "classes": ["cat", "dog"]}
    likely = np.array([[0.9, 0.1], [0.2, 0.8]])
    sure = Sample(
        str(sampling.pk), "iris:2", f"{2:032x}", "predict_proba", time.time(), classes, np.zeros((2, 2)), likely
    )
    keep_samples([asked(sampling, 1, ["cat", "cat"], describe=classes), sure])
    for number in (1, 2):
        record_actuals(sampling, [Given(f"{number:032x}", 0, "cat"), Given(f"{number:032x}", 1, "dog")])
    one, two = live_accuracy(sampling)
    assert (one["version"], one["accuracy"], two["version"], two["accuracy"]) == ("iris:1", 0.5, "iris:2", 1)
    assert one["classes"][1] == {"label": "dog", "precision": None, "recall": 0.0, "f1": 0.0, "count": 1}
    assert len(two["steps"]) == 1 and two["steps"][0]["accuracy"] == 1


def test_numbers_at_the_end_of_the_scale_are_no_error(sampling: Deployment) -> None:
    keep_samples([asked(sampling, 1, [1e308, -1e308])])
    record_actuals(sampling, [Given(f"{1:032x}", 0, -1e308), Given(f"{1:032x}", 1, 1e308)])
    (found,) = live_accuracy(sampling)
    assert (found["mae"], found["rmse"], found["r2"]) == (None, None, None)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "a" * 32},
        {"id": 7, "actual": 1},
        {"id": "a/b/c", "actual": 1},
        {"id": "a/1", "actuals": [1]},
        {"id": "a", "actual": 1, "actuals": [1]},
        {"id": "a", "actual": 1, "more": 2},
        {"id": "a", "actual": None},
        {"id": "a", "actual": [1]},
        {"id": "a", "actual": {"b": 1}},
        {"id": "a", "actual": "x" * 1001},
        {"id": "a", "actuals": []},
        {"id": "a", "actuals": {"0": 1}},
        {"id": "a", "actuals": [[1]]},
        {"id": "a" * 65, "actual": 1},
        {"id": "a\0", "actual": 1},
        {"id": "a/\u0663", "actual": 1},
        {"id": "a/9999999999", "actual": 1},
        [[1]],
        ["a"],
        [],
        {},
        [{"id": "b", "actual": 1}, {"id": "a", "actual": {}}],
    ],
)
def test_what_is_no_actual_value_is_refused_as_a_whole(
    sampling: Deployment, callers: dict[str, Caller], body: Any
) -> None:
    keep_samples([asked(sampling, 1, [1.0])])
    SampledRequest.objects.update(request_id="b")
    answer = callers["contributor"].post("deployments/iris/actuals/", body)
    assert answer.status_code == 400
    assert error_of(answer)["message"]
    assert not ActualValue.objects.exists()


def test_the_api_takes_actual_values_of_contributors(
    sampling: Deployment, callers: dict[str, Caller], settings: Any
) -> None:
    keep_samples([asked(sampling, 1, [1.0, 2.0])])
    body = [{"id": f"{1:032x}", "actuals": [None, 2]}]
    assert callers["reader"].post("deployments/iris/actuals/", body).status_code == 403
    assert callers["stranger"].post("deployments/iris/actuals/", body).status_code == 404
    assert callers["contributor"].post("deployments/iris/actuals/", body).json()["matched"] == 1
    (told,) = callers["reader"].get("deployments/iris/accuracy/").json()
    assert (told["kind"], told["count"], told["mae"]) == ("numbers", 1, 0)
    assert callers["stranger"].get("deployments/iris/accuracy/").status_code == 404
    settings.ACTUALS = 1
    answer = callers["contributor"].post("deployments/iris/actuals/", [{"id": "a", "actuals": [1, 2]}])
    assert answer.status_code == 413 and "MLPORTAL_ACTUALS" in error_of(answer)["message"]


def test_samples_are_downloaded_by_members_and_deleted_by_contributors(
    sampling: Deployment, callers: dict[str, Caller]
) -> None:
    keep_samples(
        [asked(sampling, 1, [1.0, 2.0]), asked(sampling, 2, ["=cmd()"], rows=np.ones((1, 2)), version="iris:2")]
    )
    record_actuals(sampling, [Given(f"{1:032x}", 1, 2.5)])
    answer = callers["reader"].get("deployments/iris/samples/")
    header, *rows = csv.reader(io.StringIO(read_whole(answer).decode()))
    assert header == ["prediction_id", "at", "version", "method", "length", "width", "prediction", "actual"]
    assert [row[4:] for row in rows] == [
        ["0.0", "1.0", "1.0", ""],
        ["2.0", "3.0", "2.0", "2.5"],
        ["1.0", "1.0", "'=cmd()", ""],
    ]
    assert rows[1][0] == f"{1:032x}/1"
    only = callers["reader"].get("deployments/iris/samples/", {"version": "iris:1", "format": "parquet"})
    table = read_parquet(io.BytesIO(read_whole(only))).read_all()
    assert table.column_names == header and table.num_rows == 2
    assert table["length"].to_pylist() == [0, 2]
    assert callers["stranger"].get("deployments/iris/samples/").status_code == 404
    assert callers["reader"].delete("deployments/iris/samples/").status_code == 403
    assert callers["reader"].get("deployments/iris/samples/", {"format": "xls"}).status_code == 400
    assert callers["contributor"].delete("deployments/iris/samples/").status_code == 204
    assert not SampledRequest.objects.exists()
    assert read_whole(callers["reader"].get("deployments/iris/samples/")).startswith(b"prediction_id,at")


def test_how_a_service_is_watched_is_set_by_contributors(
    service: Deployment, callers: dict[str, Caller], contributor: User, reader: User
) -> None:
    assert callers["reader"].get("deployments/iris/watch/").json()["sample_percent"] == 0
    answer = callers["contributor"].patch("deployments/iris/watch/", {"sample_percent": 12.5, "least_rows": 50})
    assert (answer.status_code, answer.json()["sample_percent"], answer.json()["least_rows"]) == (200, 12.5, 50)
    for wrong in ({"sample_percent": 101}, {"sample_percent": -1}, {"sample_rows": 0}, {"psi_warning": 5}, {"rate": 1}):
        refused = callers["contributor"].patch("deployments/iris/watch/", wrong)
        assert refused.status_code == 400, wrong
        assert next(iter(wrong)) in str(error_of(refused))
    with pytest.raises(BadInput):
        set_watch(service, sample_percent=float("nan"), by=contributor)
    with pytest.raises(NotAllowed):
        set_watch(service, sample_percent=1, by=reader)
    assert callers["reader"].get("deployments/iris/watch/").json()["sample_percent"] == 12.5
