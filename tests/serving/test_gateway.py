"""Scoring through a real uvicorn: formats, keys, bad input."""

from __future__ import annotations

import pickle
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import joblib
import numpy as np
import pytest

from models_registry.serving.gateway import Gateway
from models_registry.serving.replica import Replica, State
from tests.serving.conftest import IRIS, Memory, until, wait_for

pytestmark = pytest.mark.usefixtures("service")
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}


def error_of(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error) == {"code", "message", "details"}
    return response.status_code, error["code"]


@pytest.mark.parametrize("path", ["/services/iris/score", "/services/iris/", "/services/iris"])
def test_azures_format_answers_the_list_alone(http: httpx.Client, path: str) -> None:
    assert http.post(path, json={"data": IRIS}).json() == [0, 2]


def test_a_short_answer_leaves_in_one_write(http: httpx.Client) -> None:
    """Which puts its length last, where uvicorn's way begins with it: two writes take several times as long."""
    answer = http.post("/services/iris/score", json={"data": IRIS})
    assert {"x-request-id", "x-mlportal-version"} < answer.headers.keys()
    assert [name for name, _ in answer.headers.multi_items()][-1] == "content-length"
    refused = http.post("/services/iris/score", json={})
    assert next(name for name, _ in refused.headers.multi_items() if name not in ("date", "server")) == "content-length"


def test_azures_method_chooses_what_is_called(http: httpx.Client, iris_model: Path) -> None:
    response = http.post("/services/iris/score", json={"data": IRIS, "method": "decision_function"})
    assert response.json() == joblib.load(iris_model).decision_function(np.array(IRIS)).tolist()


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": NAMES, "data": IRIS}},
        {"dataframe_records": [dict(zip(NAMES, row, strict=True)) for row in IRIS]},
        {"inputs": IRIS},
        {"inputs": {name: list(column) for name, column in zip(NAMES, zip(*IRIS, strict=True), strict=True)}},
        {"instances": IRIS},
        {"instances": [dict(zip(NAMES, row, strict=True)) for row in IRIS]},
    ],
)
def test_mlflows_shapes(http: httpx.Client, body: Any) -> None:
    assert http.post("/services/iris/invocations", json=body).json() == {"predictions": [0, 2]}


@pytest.mark.parametrize("path", ["score", "invocations"])
def test_csv(http: httpx.Client, path: str) -> None:
    text = "\n".join([",".join(NAMES), *(",".join(map(str, row)) for row in IRIS)])
    answer = http.post(f"/services/iris/{path}", content=text, headers=CSV).json()
    assert answer == ([0, 2] if path == "score" else {"predictions": [0, 2]})


@pytest.mark.parametrize(("first", "status"), [("5.1,3.5,1.4,0.2", 400), ("5,3,1,0", 400), ("0,1,2,3", 200)])
def test_a_csv_without_names_loses_no_row(http: httpx.Client, first: str, status: int) -> None:
    """The last one is what pandas writes for columns without names."""
    answer = http.post("/services/iris/score", content=f"{first}\n6.2,3.4,5.4,2.3\n", headers=CSV)
    assert answer.status_code == status
    assert answer.json() == [2] if status == 200 else "names" in answer.json()["error"]["message"]


@pytest.mark.parametrize("data", [IRIS, [value for row in IRIS for value in row]], ids=["nested", "flat"])
def test_open_inference_with_one_tensor(http: httpx.Client, data: Any) -> None:
    tensor = {"name": "input", "shape": [2, 4], "datatype": "FP64", "data": data}
    answer = http.post("/services/iris/v2/models/iris/infer", json={"id": "a1", "inputs": [tensor]}).json()
    output = {"name": "predict", "shape": [2], "datatype": "INT64", "data": [0, 2]}
    assert answer == {"model_name": "iris", "model_version": "1", "id": "a1", "outputs": [output]}


def test_open_inference_with_a_tensor_per_feature(http: httpx.Client) -> None:
    inputs = [
        {"name": name, "shape": [2, 1], "datatype": "FP32", "data": list(column)}
        for name, column in zip(NAMES, zip(*IRIS, strict=True), strict=True)
    ]
    answer = http.post("/services/iris/v2/models/iris/infer", json={"inputs": inputs}).json()
    assert answer["outputs"][0]["data"] == [0, 2]


def test_health_metadata_and_readiness(http: httpx.Client) -> None:
    assert http.get("/services/iris/").json() == {"alive": True, "service": "iris", "version": "1", "ready": True}
    assert http.get("/services/iris/v2/health/live").json() == {"live": True}
    assert http.get("/services/iris/v2/health/ready").json() == {"ready": True, "name": "iris"}
    metadata = http.get("/services/iris/v2/models/iris").json()
    assert metadata["inputs"][0]["shape"] == [-1, 4]
    assert metadata["outputs"][0]["datatype"] == "INT64"


def test_the_example_of_the_openapi_is_answered(http: httpx.Client) -> None:
    document = http.get("/services/iris/openapi.json").json()
    assert document["servers"] == [{"url": "/services/iris"}]
    for path in ("/score", "/invocations"):
        example = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert http.post(f"/services/iris{path}", json=example).status_code == 200, example


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic a2V5", "Bearer", "Bearer \xe9"])
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", "score"),
        ("POST", ""),
        ("POST", "invocations"),
        ("GET", "openapi.json"),
        ("GET", "v2/models/iris"),
        ("POST", "v2/models/iris/infer"),
    ],
)
def test_without_the_key_nothing_is_told(
    address: str, memory: Memory, header: str | None, verb: str, path: str
) -> None:
    headers = {b"Authorization": header.encode("latin-1")} if header else {}
    response = httpx.request(verb, f"{address}/services/iris/{path}", json={"data": IRIS}, headers=headers)
    assert error_of(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_service_without_keys_is_open(address: str, memory: Memory, iris: Replica) -> None:
    memory.publish("iris", iris, auth_enabled=False)
    assert httpx.post(f"{address}/services/iris/score", json={"data": IRIS}).json() == [0, 2]


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("score", '{"data": [[1, 2, 3]]}', "Each row has 3 values, the model takes 4"),
        ("score", '{"data": [[1, 2, 3, 4], [1, 2]]}', "Row 1 has another length"),
        ("score", '{"data": [1, 2, 3, 4]}', "a list of lists"),
        ("score", '{"data": [[[1], [2], [3], [4]]]}', "a list of lists"),
        ("score", '{"data": [["a", "b", "c", "d"]]}', "could not convert string to float"),
        ("score", '{"data": [[1, 2, 3, {"x": 1}]]}', "no cell is a list or an object"),
        ("score", '{"data": [[1, 2, 3, null]]}', "NaN"),
        ("score", '{"data": []}', "There are no rows"),
        ("score", '{"data": "rows"}', "Rows are a list of lists"),
        ("score", '{"data": {}}', "Rows are a list of lists"),
        ("score", '{"rows": [[1, 2, 3, 4]]}', '"data"'),
        ("score", "[[1, 2, 3, 4]]", "a JSON object"),
        ("score", "", "not JSON"),
        ("score", '{"data": [[1e999, 2, 3, 4]]}', "infinity"),
        ("score", '{"data": [[NaN, 2, 3, 4]]}', "not JSON"),
        ("score", '{"data": ' + "[" * 100_000 + "]" * 100_000 + "}", "depth"),
        ("score", '{"data": ' + "[" * 900 + "]" * 900 + "}", ""),
        ("score", '{"data": [[1, 2, 3, ' + "9" * 60 + ']]}', ""),
        ("score", '{"data": [[1, 2, 3, 4]], "method": 7}', "method is a text"),
        ("score", '{"data": [[1, 2, 3, 4], "text"]}', "Row 1 has another length"),
        ("score", '{"data": [["a", "b", "c", "d"], ["e"]]}', "Row 1 has another length"),
        ("score", '{"data": ["a", ["b", "c", "d", "e"]]}', "Row 0 has another length"),
        ("score", '{"data": ["a", 1]}', "a list of lists"),
        ("score", '{"data": ["a", "b"]}', "a list of lists"),
        ("score", '{"data": [["a", "b", "c", ["d"]]]}', "no cell is a list"),
        ("invocations", '{"data": [[1, 2, 3, 4]]}', "exactly one of"),
        ("invocations", '{"inputs": [[1, 2, 3, 4]], "instances": []}', "exactly one of"),
        ("invocations", '{"dataframe_split": [[1, 2, 3, 4]]}', "dataframe_split is"),
        ("invocations", '{"dataframe_split": {"columns": ["a"], "data": [[1, 2, 3, 4]]}}', "1 columns"),
        ("invocations", '{"dataframe_records": [{"a": 1}, {"b": 1}]}', "Row 1 has other columns"),
        ("invocations", '{"inputs": {"a": [1], "b": [1, 2]}}', "lists of one length"),
        ("v2/models/iris/infer", '{"inputs": []}', "inputs"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [9], "datatype": "INT8", "data": 1}]}', "the data are a list"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [9], "datatype": "INT8", "data": [1]}]}', "not fill"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [1], "datatype": "BYTES", "data": ["a"]}]}', "a list of lists"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [1], "datatype": "TEXT", "data": ["a"]}]}', "one of"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [1, 4], "datatype": "INT8", "data": [1.5, 2, 3, 4]}]}', "not INT8"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [1, 4], "datatype": "INT8", "data": [300, 2, 3, 4]}]}', "INT8"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [1, 4], "datatype": "FP64", "data": ["1", 2, 3, 4]}]}', "not FP64"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [1, 4], "datatype": "FP16", "data": [1e9, 2, 3, 4]}]}', "too large"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [1, 4], "datatype": "FP64", "data": [[1, 2], [3, 4]]}]}', "nested"),
        ("v2/models/iris/infer", '{"inputs": [{"shape": [88888888888888888888], "datatype": "BOOL", "data": []}]}', "shape"),
        ("v2/models/iris/infer", '{"inputs": [{"datatype": "FP64", "parameters": {"binary_data_size": 32}}]}', "inary"),
        ("v2/models/iris/infer", '{"inputs": [{}], "outputs": [{"name": "a"}, {"name": "b"}]}', "datatype is one of"),
        ("score", '{"data": [[1, 2, 3, 4]], "params": [1]}', "params is an object"),
        ("score", '{"data": [[1, 2, 3, 4]], "params": {"sample_weight": 1}}', "takes no parameter sample_weight; it has none"),
        ("score", '{"data": [["5.1", 3.5, 1.4, 0.2]]}', "column 0 takes numbers, and has the text '5.1'"),
        ("score", '{"data": [["\\ud800", 3.5, 1.4, 0.2]]}', "not JSON"),
        ("invocations", '{"dataframe_split": {"columns": ["a"], "index": [0], "data": 5}}', "list of lists"),
        ("invocations", '{"dataframe_records": [{"a": 1}, 5]}', "every row is an object"),
        ("invocations", '{"instances": [{"a": 1}, 5]}', "every row is an object"),
        ("invocations", '{"instances": [5, {"a": 1}]}', "a list of lists"),
    ],
)  # fmt: skip
def test_bad_input_is_400_and_says_what_was_expected(http: httpx.Client, path: str, body: str, says: str) -> None:
    response = http.post(f"/services/iris/{path}", content=body, headers=JSON)
    if "99999" in body:
        assert response.status_code == 200, "large, but a number"
        return
    assert error_of(response) == (400, "bad_input")
    assert says in response.json()["error"]["message"]


def test_more_rows_than_are_taken_is_413_and_names_the_limit(http: httpx.Client) -> None:
    response = http.post("/services/iris/score", json={"data": [[1, 2, 3, 4]] * 5001})
    assert error_of(response) == (413, "too_many_rows")
    assert "at most 5000" in response.json()["error"]["message"] and "MLPORTAL_SERVICE_ROWS" in response.text
    assert response.json()["error"]["details"] == {"limit": 5000}


def test_a_wrong_width_names_what_the_model_takes(http: httpx.Client) -> None:
    details = http.post("/services/iris/score", json={"data": [[1]]}).json()["error"]["details"]
    assert details["expected"] == {"n_features": 4, "feature_names": None}


@pytest.mark.parametrize("method", ["predict_proba", "fit", "__init__"])
def test_a_method_that_the_model_lacks(http: httpx.Client, method: str) -> None:
    response = http.post("/services/iris/score", json={"data": IRIS, "method": method})
    assert error_of(response) == (400, "no_method")
    assert response.json()["error"]["details"]["methods"] == ["predict", "decision_function"]


def test_a_method_of_any_length_does_no_harm_to_a_model_that_is_not_known(
    http: httpx.Client, memory: Memory, iris: Replica
) -> None:
    memory.publish("iris", iris, describe={})
    for method in ("x" * 300, "x" * 61):
        assert error_of(http.post("/services/iris/score", json={"data": IRIS, "method": method})) == (400, "no_method")
    assert http.post("/services/iris/score", json={"data": IRIS}).json() == [0, 2]


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "application/x-www-form-urlencoded", "application/python-pickle"]
)
def test_other_content_types_are_refused(http: httpx.Client, kind: str) -> None:
    response = http.post("/services/iris/score", content=pickle.dumps(IRIS), headers={"Content-Type": kind})
    assert error_of(response) == (415, "unsupported_media_type")


def test_a_pickle_that_says_it_is_json_is_bad_input(http: httpx.Client) -> None:
    assert error_of(http.post("/services/iris/score", content=pickle.dumps(IRIS), headers=JSON)) == (400, "bad_input")


def test_a_compressed_body_is_refused(http: httpx.Client) -> None:
    response = http.post("/services/iris/score", content=b"x", headers={**JSON, "Content-Encoding": "gzip"})
    assert response.status_code == 415


def test_a_large_body_is_refused_by_its_announced_length(address: str) -> None:
    url = urlsplit(address)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=5) as connection:
        connection.sendall(
            b"POST /services/iris/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k3y-of-the-service\r\n"
            b"Content-Length: 1000000000\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_large_body_of_unknown_length_is_refused(http: httpx.Client) -> None:
    def parts() -> Iterator[bytes]:
        yield b" " * (1 << 20)
        yield b" "

    assert error_of(http.post("/services/iris/score", content=parts(), headers=JSON)) == (413, "body_too_large")


def test_a_body_that_does_not_come_is_given_up(address: str) -> None:
    url = urlsplit(address)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=5) as connection:
        connection.sendall(
            b"POST /services/iris/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k3y-of-the-service\r\n"
            b"Content-Length: 10\r\n\r\n{"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("verb", "path", "answer"),
    [
        ("POST", "/services/absent/score", (404, "unknown_service")),
        ("POST", "/w/other/services/iris/score", (404, "not_found")),
        ("GET", "/services/iris/secret", (404, "not_found")),
        ("POST", "/services/iris/v2/models/other/infer", (404, "not_found")),
        ("GET", "/services", (404, "not_found")),
        ("GET", "/services/iris/score", (405, "method_not_allowed")),
        ("DELETE", "/services/iris/", (405, "method_not_allowed")),
    ],
)
def test_other_addresses(http: httpx.Client, verb: str, path: str, answer: tuple[int, str]) -> None:
    assert error_of(http.request(verb, path)) == answer


def test_columns_with_names_are_put_into_the_models_order(http: httpx.Client, memory: Memory, iris: Replica) -> None:
    memory.publish("iris", iris, describe={**(iris.describe or {}), "feature_names": NAMES})
    split = {"columns": NAMES[::-1], "data": [row[::-1] for row in IRIS]}
    assert http.post("/services/iris/invocations", json={"dataframe_split": split}).json() == {"predictions": [0, 2]}
    split["columns"] = [*NAMES[:3], "colour"]
    response = http.post("/services/iris/invocations", json={"dataframe_split": split})
    assert error_of(response) == (400, "bad_input")
    details = response.json()["error"]["details"]
    assert (details["missing"], details["unexpected"]) == (["petal width"], ["colour"])


def test_columns_are_put_into_the_order_of_a_model_that_was_not_known_when_the_request_came(
    http: httpx.Client, gateway: Gateway, memory: Memory, iris: Replica
) -> None:
    described = {**(iris.describe or {}), "feature_names": NAMES}
    split = {"columns": NAMES[::-1], "data": [row[::-1] for row in IRIS]}
    memory.publish("iris", is_starting=True)
    with ThreadPoolExecutor(1) as threads:
        early = threads.submit(http.post, "/services/iris/invocations", json={"dataframe_split": split})
        until(lambda: gateway.dispatcher.waiting(memory.routes["iris"]))
        memory.publish("iris", iris, is_starting=True, describe=described)
        assert early.result().json() == {"predictions": [0, 2]}


def test_a_request_that_was_read_for_a_version_that_is_gone_is_not_answered_for_other_columns(
    http: httpx.Client, gateway: Gateway, memory: Memory, iris: Replica
) -> None:
    described = {**(iris.describe or {}), "feature_names": NAMES}
    for names, status in ((NAMES, 200), (NAMES[::-1], 503)):
        memory.publish("iris", describe=described)
        with ThreadPoolExecutor(1) as threads:
            early = threads.submit(http.post, "/services/iris/score", json={"data": IRIS})
            until(lambda: gateway.dispatcher.waiting(memory.routes["iris"]))
            memory.publish("iris", iris, describe={**described, "feature_names": names}, version="2", revision="r2")
            answer = early.result()
        assert answer.status_code == status, answer.text
        assert memory.records[-1].version == answer.headers["x-mlportal-version"] == ("2" if status == 200 else "1")
    assert "takes other rows" in answer.json()["error"]["message"]


def test_text_and_missing_values_reach_a_model_that_takes_them(
    http: httpx.Client, memory: Memory, launch: Callable[..., Replica], folder: Path
) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.svm import SVC

    rows = np.array([["red", 1.0], ["blue", 2.0], ["red", 3.0], ["blue", 4.0]], dtype=object)
    columns = ColumnTransformer([("colour", OneHotEncoder(), [0]), ("size", SimpleImputer(), [1])])
    joblib.dump(make_pipeline(columns, SVC()).fit(rows, ["no", "yes", "no", "yes"]), folder / "mixed.joblib")
    memory.publish("mixed", wait_for(launch(folder / "mixed.joblib"), State.READY))
    assert http.post("/services/mixed/score", json={"data": [["red", 1], ["blue", 4.5]]}).json() == ["no", "yes"]
    answer = http.post("/services/mixed/score", content="colour,size\nred,\nblue,4", headers=CSV)
    assert answer.json() == ["no", "yes"]
    response = http.post("/services/mixed/score", json={"data": [["green", 1]]})
    assert error_of(response) == (400, "bad_input")
    assert "unknown categories" in response.json()["error"]["message"]


def test_requests_are_recorded_with_what_was_said(http: httpx.Client, memory: Memory) -> None:
    before = time.time()
    good = http.post("/services/iris/score", json={"data": IRIS})
    http.post("/services/iris/score", json={"data": [[1]]})
    http.get("/services/iris/")
    first, second = memory.records
    assert (first.deployment_id, first.method, first.status, first.rows, first.error) == (
        "d-iris",
        "predict",
        200,
        2,
        None,
    )
    assert (first.response, first.id) == ("[0,2]", good.headers["x-request-id"])
    assert "5.1" in first.request
    assert first.time >= before and 0 < first.latency_ms < 5000
    assert (second.status, second.error, second.rows) == (400, "bad_input", None)


def test_each_request_and_each_call_of_the_model_is_measured(http: httpx.Client, memory: Memory) -> None:
    memory.measured.clear()
    memory.batches.clear()
    http.post("/services/iris/score", json={"data": IRIS})
    http.post("/services/iris/score", json={"data": [[1]]})
    http.post("/services/iris/score", json={"data": IRIS}, headers={"Authorization": "Bearer no"})
    http.get("/services/iris/v2/health/ready")
    assert memory.measured == [("iris", 200, 2), ("iris", 400, 0), ("iris", 401, 0)]
    assert memory.batches == [("iris", 1, 2)]


def test_callers_without_the_key_leave_no_record(http: httpx.Client, memory: Memory) -> None:
    stranger = http.post("/services/iris/score", json={"data": IRIS}, headers={"Authorization": "Bearer no"})
    assert stranger.status_code == 401 and stranger.headers["x-request-id"]
    http.post("/services/iris/score", json={"data": IRIS})
    assert [record.status for record in memory.records] == [200]


def test_excerpts_are_cut(http: httpx.Client, memory: Memory) -> None:
    http.post("/services/iris/score", json={"data": IRIS * 1000})
    assert len(memory.records[0].request) == 2048
