"""Open Inference and MLflow's scoring server as their own clients speak them, and models that were trained on frames."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models_registry.serving.replica import Replica
from tests.mlflow.conftest import CLIENTS, WITH, _installed
from tests.serving.conftest import IRIS, Memory
from tests.serving.nursing import Nursery, served
from tests.shared import ENVIRONMENTS

TENSOR: dict[str, Any] = {"name": "input", "shape": [2, 4], "datatype": "FP64", "data": IRIS}
FRAMES = """
import joblib, numpy, pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
frame = pandas.DataFrame({"colour": ["red", "blue", None, "blue"] * 3, "size": [1.0, 2.0, None, 4.0] * 3,
                          "zip": ["01", "02", "01", "02"] * 3})
columns = ColumnTransformer([("c", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["colour"]),
                             ("s", SimpleImputer(), ["size"]), ("z", OneHotEncoder(), ["zip"])])
model = make_pipeline(columns, LogisticRegression(C=100)).fit(frame, ["no", "yes", "no", "yes"] * 3)
joblib.dump(model, "framed.joblib")
"""
CLIENT = """
import sys, numpy, pandas
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
client = ScoringServerClient("127.0.0.1", 1)
client.url_prefix = sys.argv[1]
client.wait_server_ready(timeout=20)
print(client.get_version())
print(list(client.invoke(numpy.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]])).get_predictions()[0]))
frame = pandas.DataFrame([[5.1, 3.5, 1.4, 0.2]], columns=list("abcd"))
print(list(client.invoke(frame).get_predictions()[0]), client.invoke(frame).to_json())
try:
    client.invoke(frame[["a"]])
except Exception as error:
    print(error)
"""


@pytest.fixture(scope="module")
def mlflow_python() -> Path:
    """An environment with MLflow's client, scikit-learn and pandas, which is made once on a machine."""
    folder = ENVIRONMENTS / f"mlflow-newest-{sys.version_info.major}.{sys.version_info.minor}"
    return Path(_installed(folder, CLIENTS["newest"], *WITH))


@pytest.mark.parametrize("version", ["iris:3", "3"])
def test_a_version_of_open_inference_is_one_that_the_service_is_made_of(
    http: httpx.Client, memory: Memory, service: str, version: str
) -> None:
    route = memory.routes["iris"]
    memory.publish("iris", version="iris:3", replicas=route.main.replicas, describe=route.main.describe)
    model = f"/services/iris/v2/models/iris/versions/{version}"
    assert http.post(f"{model}/infer", json={"inputs": [TENSOR]}).json()["model_version"] == "iris:3"
    assert http.get(model).json()["versions"] == ["iris:3"]
    assert http.get(f"{model}/ready").json() == {"ready": True, "name": "iris"}
    assert http.get(model.replace(version, "4")).status_code == 404
    assert http.get("/services/iris/v2/models/iris2").status_code == 404


def test_the_output_that_is_asked_for_names_the_method(http: httpx.Client, service: str) -> None:
    body: dict[str, Any] = {"inputs": [TENSOR], "outputs": [{"name": "decision_function"}]}
    (output,) = http.post("/services/iris/v2/models/iris/infer", json=body).json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("decision_function", "FP64", [2, 3])
    body["outputs"].append({"name": "predict"})
    refused = http.post("/services/iris/v2/models/iris/infer", json=body)
    assert refused.status_code == 400 and "One output is answered in a request" in refused.text


@pytest.mark.parametrize("path", ["ping", "health"])
def test_mlflows_probes_ask_a_replica_and_need_no_key(address: str, memory: Memory, service: str, path: str) -> None:
    assert httpx.get(f"{address}/services/iris/{path}").status_code == 200
    memory.publish("iris", replicas=[])
    assert httpx.get(f"{address}/services/iris/{path}").status_code == 503


def test_mlflows_own_client_of_scoring_servers(
    address: str, memory: Memory, iris: Replica, service: str, mlflow_python: Path
) -> None:
    memory.publish("iris", iris, auth_enabled=False)
    done = subprocess.run([mlflow_python, "-c", CLIENT, f"{address}/services/iris"], capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 4, done
    version, array, frame, refused = done.stdout.splitlines()
    assert (version, array) == ("1", "[0, 2]")
    assert frame == '[0] {"predictions": [0]}'
    assert "error code 400" in refused and "Each row has 1 value, the model takes 4" in refused


@pytest.fixture(scope="module")
def framed(folder: Path, memory: Memory, mlflow_python: Path) -> Iterator[dict[str, Any]]:
    """A service whose model was trained on a frame with texts, texts that look like numbers, and missing values."""
    subprocess.run([mlflow_python, "-c", textwrap.dedent(FRAMES)], cwd=folder, check=True)
    nursery = Nursery(folder, memory, mlflow_python)
    with served(nursery, "framed", folder / "framed.joblib") as describe:
        yield describe
    nursery.close()


ROWS: list[list[Any]] = [["red", 1, "01"], [None, None, "01"], ["blue", 4.5, "02"]]
COLUMNS = ["colour", "size", "zip"]
MIXED = [
    {"name": "zip", "shape": [3], "datatype": "BYTES", "data": ["01", "01", "02"]},
    {"name": "colour", "shape": [3, 1], "datatype": "BYTES", "data": ["red", None, "blue"]},
    {"name": "size", "shape": [3], "datatype": "FP32", "data": [1, None, 4.5]},
]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("score", {"data": ROWS}),
        ("score", {"data": [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]}),
        ("score", {"data": {"columns": COLUMNS[::-1], "data": [row[::-1] for row in ROWS]}}),
        ("invocations", {"dataframe_split": {"columns": COLUMNS, "index": [0, 1, 2], "data": ROWS}}),
        ("invocations", {"dataframe_records": [dict(zip(COLUMNS[::-1], row[::-1], strict=True)) for row in ROWS]}),
        ("invocations", {"inputs": {name: [row[place] for row in ROWS] for place, name in enumerate(COLUMNS)}}),
        ("v2/models/framed/infer", {"inputs": MIXED}),
    ],
)
def test_a_model_of_a_frame_gets_a_frame(http: httpx.Client, framed: dict[str, Any], path: str, body: Any) -> None:
    assert framed["feature_names"] == COLUMNS
    answer = http.post(f"/services/framed/{path}", json=body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    said = said.get("predictions") or said["outputs"][0]["data"] if isinstance(said, dict) else said
    assert said == ["no", "no", "yes"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([["red", "1", "01"]], "column size takes numbers, and has the text '1'"),
        ([["red", "large", "01"]], "'large'"),
        ([["green", 1, "01"]], "unknown categories"),
        ([{"colour": "red", "size": 1}], "zip missing"),
        ([{"colour": "red", "size": 1, "zip": "01", "id": 7}], "id not known to it"),
        ([{"color": "red", "size": 1, "zip": "01"}], "colour missing; color not known to it"),
    ],
)
def test_what_such_a_model_does_not_take_is_told(
    http: httpx.Client, framed: dict[str, Any], rows: Any, says: str
) -> None:
    answer = http.post("/services/framed/score", json={"data": rows})
    assert answer.status_code == 400 and says in answer.json()["error"]["message"], answer.text


def test_such_a_model_is_described_by_its_columns(http: httpx.Client, framed: dict[str, Any]) -> None:
    inputs = http.get("/services/framed/v2/models/framed").json()["inputs"]
    assert [(each["name"], each["datatype"]) for each in inputs] == [
        ("colour", "BYTES"),
        ("size", "FP64"),
        ("zip", "BYTES"),
    ]
    paths: Any = http.get("/services/framed/openapi.json").json()["paths"]
    for path in ("/score", "/invocations", "/v2/models/framed/infer"):
        example = paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]
        answer = http.post(f"/services/framed{path}", json=example)
        assert answer.status_code == 200, (example, answer.text)
