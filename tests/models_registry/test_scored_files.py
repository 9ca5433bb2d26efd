"""A CSV goes in, and comes out with the answers beside its rows."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from mlportal.access.models import User
from mlportal.errors import BadInput
from models_registry import services
from models_registry.models import Deployment
from models_registry.services.schema import Field, Schema
from models_registry.services.scored_files import ScoredFile, places_of
from models_registry.serving.asgi import requests as request_buffer
from models_registry.serving.supervisor import Supervisor
from tests.api.conftest import Caller, error_of, read_whole
from tests.models_registry.conftest import Register, joblib_bytes, wait_for_status

AGE = Field("age", "integer")
CITY = Field("city", "text")
KNOWN = Schema([AGE, CITY], ["predict", "predict_proba"], classes=["no", "=yes"], is_named=True, known_by="sample")


def scored(text: str, schema: Schema = KNOWN, method: str = "predict", most: int = 100) -> ScoredFile:
    return ScoredFile(io.StringIO(text, newline=""), schema, method, most)


def asked(file: ScoredFile) -> list[Any]:
    return [json.loads(piece.body)["data"] for piece in file.pieces()]


def test_columns_are_found_by_name_and_others_stay() -> None:
    file = scored("id,city,age\n7,Rome,31\n8,,\n")
    (piece,) = file.pieces()
    assert json.loads(piece.body) == {"data": [[31, "Rome"], [None, None]], "method": "predict"}
    assert file.written(piece, ["no", "=yes"]) == b"id,city,age,prediction\r\n7,Rome,31,no\r\n8,,,'=yes\r\n"


def test_probabilities_have_a_column_a_class_and_formulas_are_texts() -> None:
    file = scored('age,city,probability_no\n1,"=1+1",-3\n', method="predict_proba")
    (piece,) = file.pieces()
    (names, row) = csv.reader(io.StringIO(file.written(piece, [[0.25, 0.75]]).decode()))
    assert names == ["age", "city", "probability_no", "probability_no_of_model", "probability_=yes"]
    assert row == ["1", "'=1+1", "-3", "0.25", "0.75"]


def test_rows_go_in_pieces_and_the_names_come_once() -> None:
    file = scored("age,city\n" + "".join(f"{number},x\n" for number in range(1, 6)), most=2)
    pieces = list(file.pieces())
    assert [(piece.first, piece.last) for piece in pieces] == [(1, 2), (3, 4), (5, 5)]
    lines = b"".join(file.written(piece, ["no"] * len(piece.rows)) for piece in pieces).splitlines()
    assert lines[0] == b"age,city,prediction" and len(lines) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file is empty"),
        ("age,city\n", "no rows"),
        ("age\n1\n", "The column is missing: city"),
        ("x,y\n1,2\n", "The columns are missing: age, city"),
        ("age,age,city\n1,2,x\n", "Two columns of the file are called 'age'"),
        ("age,city\n1\n", "Row 1 has 1 cells"),
        ("age,city\n1,x\nold,y\n", "Row 2: 'old' in the column 'age' is no number"),
        ("age,city\n1_000,x\n", "Row 1: '1_000' in the column 'age' is no number"),
        ("age,city\ninf,x\n", "Row 1: 'inf' in the column 'age' is no number"),
        ("age,city\n1e999,x\n", "Row 1: '1e999' in the column 'age' is no number"),
        ('age,city\n"1,x\n', "no CSV"),
        ("age,city\n1," + "x," * 2_000_001, "A row of the file has more than 4,000,000 characters"),
        ("age,city\n" + '"1\n",' * 900_000, "A row of the file has more than 4,000,000 characters"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        asked(scored(text))


def test_many_names_are_not_compared_with_each_other() -> None:
    class Names(list[str]):
        def __contains__(self, name: object) -> bool:
            raise AssertionError("as often as there are names: minutes, for a line of 1 MB")

        index = __getitem__ = __contains__  # type: ignore[assignment]

    names = Names([*(f"c{number}" for number in range(50)), "city", "age"])
    assert places_of(names, KNOWN) == [51, 50]


def test_a_model_without_names_takes_as_many_columns_as_it_has_inputs() -> None:
    nameless = Schema([Field("Input 1"), Field("Input 2")], ["predict"], known_by="model")
    assert asked(scored("a,b\n1,x\n2,3\n", nameless)) == [[[1, "x"], [2, "3"]]]
    with pytest.raises(BadInput, match="has 3 columns, the model takes 2"):
        places_of(["a", "b", "c"], nameless)


def test_what_a_model_of_texts_takes_is_a_text_a_row() -> None:
    texts = Schema([Field("review", "text")], ["predict"], is_text=True, known_by="sample")
    assert asked(scored("stars,review\n5,good\n", texts)) == [["good"]]


def test_answers_that_are_not_one_a_row_are_refused() -> None:
    file = scored("age,city\n1,x\n")
    (piece,) = file.pieces()
    for answer in ([], ["a", "b"], {"a": 1}, None):
        with pytest.raises(BadInput, match="no answer a row"):
            file.written(piece, answer)


def send(caller: Caller, path: str, body: bytes) -> Any:
    return caller.client.post(caller.url(path), body, "text/csv", headers=caller.headers)


def test_a_file_is_scored_by_a_real_service(
    supervisor: Supervisor,
    register: Register,
    contributor: User,
    callers: dict[str, Caller],
    settings: Any,
) -> None:
    x, y = load_iris(return_X_y=True)
    version = register(joblib_bytes(LogisticRegression(max_iter=1000).fit(x, y)))
    service = wait_for_status(services.deploy(version, name="iris", by=contributor), "Healthy", "Failed")
    assert service.status == "Healthy"
    rows = "".join(",".join(map(repr, map(float, row))) + "\n" for row in x)
    settings.SERVICE_ROWS = 60  # of 150
    answer = send(callers["reader"], "deployments/iris/score-file/", ("a,b,c,d\n" + rows).encode())
    assert answer.status_code == 200, answer.content
    names, *found = csv.reader(io.StringIO(read_whole(answer).decode(), newline=""))
    assert names == ["a", "b", "c", "d", "prediction"]
    assert len(found) == 150 and {row[-1] for row in found[:50]} == {"0"}

    probabilities = send(
        callers["reader"], "deployments/iris/score-file/?method=predict_proba", b"a,b,c,d\n5,3,1,0.2\n"
    )
    names, row = csv.reader(io.StringIO(read_whole(probabilities).decode(), newline=""))
    assert names[4:] == ["probability_0", "probability_1", "probability_2"] and float(row[4]) > 0.9

    missing = send(callers["reader"], "deployments/iris/score-file/", b"a,b,c,d\n5,3,1,0.2\n,1,1,1\n")
    assert missing.status_code == 400
    assert error_of(missing)["message"].startswith("Rows 1 to 2: ")
    for query, body, message in [
        ("", b"a,b\n1,2\n", "2 columns"),
        ("?method=eat", b"a\n1\n", "no 'eat'"),
        ("", b"\xff", "no UTF-8"),
        ("", b"", "Send the file"),
    ]:
        refused = send(callers["reader"], f"deployments/iris/score-file/{query}", body)
        assert refused.status_code == 400
        assert message in error_of(refused)["message"]
    later = send(callers["reader"], "deployments/iris/score-file/?first=2001", b"a,b,c,d\n5,3,1,0.2\n1\n")
    assert "Row 2002 has 1 cells" in error_of(later)["message"]
    settings.SERVICE_FILE_BYTES = 5
    too_large = send(callers["reader"], "deployments/iris/score-file/", b"a,b,c,d\n5,3,1,0.2\n")
    assert (too_large.status_code, error_of(too_large)["details"]["limit"]) == (413, 5)
    assert send(callers["stranger"], "deployments/iris/score-file/", b"a\n1\n").status_code == 404
    request_buffer.flush()
    assert sum(Deployment.objects.get().requests.filter(status=200).values_list("rows", flat=True)) == 151


def test_a_service_that_has_not_answered_yet_says_so(
    register: Register, contributor: User, callers: dict[str, Caller]
) -> None:
    services.deploy(register(b"bytes"), name="iris", by=contributor)
    answer = send(callers["reader"], "deployments/iris/score-file/", b"a\n1\n")
    assert answer.status_code == 409
    assert "does not answer yet" in error_of(answer)["message"]
