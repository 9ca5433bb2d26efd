"""What a service takes, from the model, MLflow's signature and the training sample."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion, Revision
from models_registry.services.schema import combined, described
from models_registry.serving.worker.description import describe
from tests.api.conftest import Caller, error_of, read_whole
from tests.models_registry.conftest import MakeRun, Register

IRIS = load_iris()
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SAMPLE = (",".join([*NAMES, "species"]) + "\n").encode() + b"".join(
    (",".join(map(repr, map(float, row))) + f",{IRIS.target_names[kind]}\n").encode()
    for row, kind in zip(IRIS.data, IRIS.target, strict=True)
)
MLMODEL = b"""flavors:
  sklearn: {pickled_model: model.pkl, sklearn_version: 1.5.0}
  python_function: {loader_module: mlflow.sklearn}
signature:
  inputs: '[{"type": "long", "name": "age", "required": true}, {"type": "string", "name": "city", "required": true}]'
"""


@pytest.fixture
def version(register: Register) -> ModelVersion:
    return register(b"bytes")


@pytest.fixture(scope="module")
def iris() -> dict[str, Any]:
    return describe(SVC().fit(IRIS.data, IRIS.target))


def with_sample(version: ModelVersion, content: bytes, by: User, target: str = "") -> Any:
    return services.attach_sample(version, io.BytesIO(content), target=target, by=by)


def test_a_sample_gives_names_ranges_and_a_real_row(
    version: ModelVersion, contributor: User, iris: dict[str, Any]
) -> None:
    sample = with_sample(version, SAMPLE, contributor, "species")
    schema = combined(iris, version, sample)
    assert [each.name for each in schema.inputs] == NAMES
    first = schema.inputs[0]
    assert (first.kind, first.low, first.high, first.default, first.step) == ("number", 4.3, 7.9, 5.8, 0.01)
    assert first.usual == (4.6, 7.255)
    assert schema.example == [5.1, 3.5, 1.4, 0.2]
    assert (schema.known_by, schema.is_named, schema.classes) == ("sample", False, [0, 1, 2])
    assert schema.default_method == "predict"


def test_of_one_column_too_many_the_last_is_what_is_predicted(
    version: ModelVersion, contributor: User, iris: dict[str, Any]
) -> None:
    schema = combined(iris, version, with_sample(version, SAMPLE, contributor))
    assert [each.name for each in schema.inputs] == NAMES
    assert schema.example == [5.1, 3.5, 1.4, 0.2]


def test_a_sample_of_something_else_is_left_aside(
    version: ModelVersion, contributor: User, iris: dict[str, Any]
) -> None:
    schema = combined(iris, version, with_sample(version, b"a,b\n1,2\n", contributor))
    assert [each.name for each in schema.inputs] == ["Input 1", "Input 2", "Input 3", "Input 4"]
    assert schema.example == iris["example"][0]
    assert schema.known_by == "model"


def test_names_of_the_model_choose_the_columns(version: ModelVersion, contributor: User) -> None:
    known = {"methods": ["predict"], "n_features": 2, "feature_names": ["city", "age"], "example": [["", 0]]}
    table = b"id,age,city,smokes\n7,,Rome,true\n8,31,Oslo,false\n"
    schema = combined(known, version, with_sample(version, table, contributor))
    city, age = schema.inputs
    assert (city.kind, list(city.choices), city.has_missing) == ("text", ["Oslo", "Rome"], False)
    assert (age.kind, age.default, age.has_missing) == ("integer", 31, True)
    assert schema.example == ["Oslo", 31]  # the first row without a missing value
    assert schema.is_named


def test_without_a_sample_an_mlflow_model_tells_of_itself(make_run: MakeRun, contributor: User) -> None:
    example = {"dataframe_split": {"columns": ["age", "city"], "data": [[44, "Rome"]]}}
    files = {
        "m/MLmodel": MLMODEL,
        "m/model.pkl": b"x",
        "m/serving_input_example.json": json.dumps(example).encode(),
    }
    version = services.register_model(make_run(files), name="people", path="m", by=contributor)
    known = {"methods": ["predict"], "n_features": 2, "feature_names": None, "example": [[0.0, 0.0]]}
    schema = combined(known, version, None)
    assert [(each.name, each.kind, each.default) for each in schema.inputs] == [
        ("age", "integer", 44),
        ("city", "text", "Rome"),
    ]
    assert (schema.example, schema.known_by) == ([44, "Rome"], "mlflow")
    assert described(known, version.example)["example"] == [[44, "Rome"]]


@pytest.mark.parametrize(
    ("example", "row"),
    [
        ({"columns": ["age", "city"], "data": [[44, "Rome"], [1, "x"]]}, [44, "Rome"]),
        ({"inputs": [[44, "Rome"]]}, [44, "Rome"]),
        ([{"age": 44, "city": "Rome"}], [44, "Rome"]),
        ({"age": [44], "city": ["Rome"]}, [44, "Rome"]),
        ({"inputs": [[{"a": 1}]]}, None),
        ({"inputs": []}, None),
        ("text", None),
        ([[10**40, "Rome"]], None),
    ],
)
def test_input_examples_have_many_shapes(make_run: MakeRun, contributor: User, example: Any, row: Any) -> None:
    files = {"m/MLmodel": MLMODEL, "m/model.pkl": b"x", "m/input_example.json": json.dumps(example).encode()}
    version = services.register_model(make_run(files), name="people", path="m", by=contributor)
    assert (version.example or {}).get("row") == row


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"inputs": [[NaN]]}', b"[" * 100_000])
def test_an_input_example_that_cannot_be_read_is_none(make_run: MakeRun, contributor: User, content: bytes) -> None:
    files = {"m/MLmodel": MLMODEL, "m/model.pkl": b"x", "m/input_example.json": content}
    assert services.register_model(make_run(files), name="people", path="m", by=contributor).example is None


def test_the_example_request_goes_with_the_sample(
    version: ModelVersion, contributor: User, iris: dict[str, Any]
) -> None:
    deployment = services.deploy(version, name="iris", by=contributor)
    Revision.objects.update(signature=iris)
    Deployment.objects.update(live_revision=deployment.revision)

    def example() -> Any:
        found = services.example_request(Deployment.objects.get())
        assert found is not None
        return found["data"]

    made_up = iris["example"]
    assert example() == made_up
    with_sample(version, SAMPLE, contributor, "species")
    assert example() == [[5.1, 3.5, 1.4, 0.2]]
    services.remove_sample(version, by=contributor)
    assert example() == made_up


def test_a_model_of_texts_takes_a_text_a_row(version: ModelVersion, contributor: User) -> None:
    known = {"methods": ["predict"], "n_features": None, "feature_names": None, "example": None}
    sample = with_sample(version, b"review,target\ngood,1\nbad,0\n", contributor, "target")
    schema = combined(known, version, sample)
    assert schema.is_text and schema.example == "good"
    assert [each.name for each in schema.inputs] == ["review"]


def test_models_of_texts_and_of_objects_say_so(version: ModelVersion) -> None:
    texts = {"methods": ["transform"], "takes": "texts", "n_features": None, "example": ["good"]}
    schema = combined(texts, version, None)
    assert [(each.name, each.kind, each.default) for each in schema.inputs] == [("text", "text", "good")]
    assert schema.is_text
    objects = {"methods": ["transform"], "takes": "objects", "n_features": None, "example": [{"a": 1}]}
    schema = combined(objects, version, None)
    assert (list(schema.inputs), schema.example) == ([], {"a": 1})


def test_nobody_knows_what_a_script_takes(version: ModelVersion, contributor: User, iris: dict[str, Any]) -> None:
    deployment = services.deploy(version, name="iris", by=contributor)
    deployment.live_revision = deployment.revision
    deployment.revision.signature = iris
    assert services.schema_of(deployment).inputs
    deployment.revision.entry_script = "score.py"
    assert not services.schema_of(deployment).inputs


@pytest.mark.parametrize("width", [1.0, 1e-9, 1e300, 1e308, 0.0])
def test_any_range_has_a_step_or_none(version: ModelVersion, contributor: User, width: float) -> None:
    content = f"x\n0\n{np.float64(width) / 2}\n{width}\n".encode()
    known = {"methods": ["predict"], "n_features": 1, "feature_names": None, "example": [[0.0]]}
    (only,) = combined(known, version, with_sample(version, content, contributor)).inputs
    assert only.step is None or only.step > 0


# -- over the API ---------------------------------------------------------------------------------------------------------


def put(caller: Caller, path: str, body: bytes, kind: str = "text/csv") -> Any:
    return caller.client.put(caller.url(path), body, kind, headers=caller.headers)


PATH = "models/iris/versions/1/sample/"


def test_a_sample_is_given_looked_at_and_removed(callers: dict[str, Caller], version: ModelVersion) -> None:
    assert error_of(callers["reader"].get(PATH))["code"] == "not_found"
    given = put(callers["contributor"], f"{PATH}?target=species&source=iris.csv", SAMPLE)
    assert given.status_code == 200, given.content
    seen = callers["reader"].get(PATH)
    assert seen.json() == given.json()
    assert (seen.json()["rows"], seen.json()["target"], seen.json()["source"]) == (150, "species", "iris.csv")
    rows = callers["reader"].get(f"{PATH}content/")
    assert read_whole(rows).splitlines()[1] == b"5.1,3.5,1.4,0.2,setosa"
    assert rows["Content-Disposition"].startswith("attachment")
    assert callers["contributor"].delete(PATH).status_code == 204
    assert callers["contributor"].delete(PATH).status_code == 404


def test_what_would_be_a_formula_is_handed_out_as_a_text(callers: dict[str, Caller], version: ModelVersion) -> None:
    put(callers["contributor"], PATH, b'=x,n\n"=HYPERLINK(""http://x"")",-5\n')
    rows = callers["reader"].get(f"{PATH}content/")
    assert read_whole(rows) == b'\'=x,n\r\n"\'=HYPERLINK(""http://x"")",-5\r\n'


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("contributor", 200), ("reader", 403), ("stranger", 404)])
def test_who_may_give_a_sample(callers: dict[str, Caller], version: ModelVersion, role: str, status: int) -> None:
    assert put(callers[role], PATH, SAMPLE).status_code == status
    assert hasattr(ModelVersion.objects.get(), "sample") == (status == 200)


@pytest.mark.parametrize(
    ("query", "body", "message"),
    [
        ("", b"", "Send the file"),
        ("", b"a,a\n1,2\n", "Two columns"),
        ("?target=y", b"a\n1\n", "no column 'y'"),
        ("?tagret=y", b"a\n1\n", "tagret"),
        ("?target=%00", b"a\n1\n", ""),
    ],
)
def test_a_refused_sample_says_why(
    callers: dict[str, Caller], version: ModelVersion, query: str, body: bytes, message: str
) -> None:
    answer = put(callers["contributor"], PATH + query, body)
    assert answer.status_code == 400
    assert message in error_of(answer)["message"]


def test_the_schema_is_told(
    callers: dict[str, Caller], version: ModelVersion, contributor: User, iris: dict[str, Any]
) -> None:
    deployment = services.deploy(version, name="iris", by=contributor)
    assert callers["reader"].get("deployments/iris/schema/").json()["inputs"] == []
    Revision.objects.update(signature=iris)
    Deployment.objects.update(live_revision=deployment.revision)
    with_sample(version, SAMPLE, contributor, "species")
    told = callers["reader"].get("deployments/iris/schema/").json()
    assert told["inputs"][3]["name"] == "petal_width" and told["inputs"][3]["usual"] == [0.2, 2.3]
    assert callers["stranger"].get("deployments/iris/schema/").status_code == 404
