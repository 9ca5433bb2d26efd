"""Texts in requests, and what they may cost."""

from __future__ import annotations

import subprocess
import textwrap
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from models_registry.serving.gateway.errors import BadInput
from models_registry.serving.gateway.formats import read_invocations, read_score
from models_registry.serving.gateway.tabular import Table, payload_of
from models_registry.serving.replica import Replica, State
from tests.serving.conftest import Memory, wait_for

DESCRIBE = {"n_features": None, "feature_names": None}


@pytest.mark.parametrize(
    "rows",
    [[["x" * 1_000_000], *([["y"]] * 2000)], ["x" * 1_000_000, *(["y"] * 2000)]],
    ids=["cells", "texts"],
)
def test_one_long_text_beside_many_short_ones_takes_no_more_room_than_it_has(rows: Any) -> None:
    tracemalloc.start()
    try:
        payload, count = payload_of(Table(rows, None), DESCRIBE, 100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (payload, count) == ({"rows": rows}, 2001)
    assert peak < 1_000_000  # as wide as the longest, they would be 8 GB


def test_a_long_text_that_is_nested_too_deep_is_refused_before_it_costs_anything() -> None:
    rows = [[["x" * 1_000_000]], *([[["y"]]] * 2000)]
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="no cell is a list"):
            payload_of(Table(rows, None), DESCRIBE, 100_000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_numbers_of_32_bits_are_answered_as_python_has_them() -> None:
    answer = np.array([0.1, np.nan, np.inf], dtype=np.float32)
    assert read_score(b'{"data": [[1]]}', False).write(answer) == b"[0.10000000149011612,null,null]"
    assert read_invocations(b'{"inputs": [[1]]}', False).write(answer[:1]) == b'{"predictions":[0.10000000149011612]}'


def test_half_a_character_in_a_label_is_no_failure() -> None:
    assert read_score(b'{"data": [[1]]}', False).write(["\ud800", 1.5, float("nan")]) == b'["?", 1.5, null]'


def test_short_texts_and_numbers_pass() -> None:
    payload, count = payload_of(Table([["a", 1.5], ["b", None]], None), DESCRIBE, 10)
    assert (payload, count) == ({"rows": [["a", 1.5], ["b", None]]}, 2)
    payload, count = payload_of(Table([[1, 2]], None), DESCRIBE, 10)
    assert isinstance(payload, np.ndarray) and payload.shape == (1, 2) and count == 1


def test_named_columns_of_texts_are_put_into_the_models_order() -> None:
    describe = {"n_features": 2, "feature_names": ["colour", "size"]}
    payload, _ = payload_of(Table([[1, "red"], [2, "blue"]], ["size", "colour"]), describe, 10)
    assert payload == {"rows": [["red", 1], ["blue", 2]]}


def test_many_names_are_not_compared_with_each_other() -> None:
    class Names(list[str]):
        def count(self, value: str) -> int:
            raise AssertionError("as often as there are names: minutes, for a body of 200 kB")

    names = Names(["colour", "size", "size", *(f"c{number}" for number in range(50))])
    with pytest.raises(BadInput, match="size named twice"):
        payload_of(Table([[1] * len(names)], names), {"n_features": 2, "feature_names": ["colour", "size"]}, 10)


def test_a_model_of_python_36_takes_one_text_of_ten_thousand_characters_among_2001_rows(
    http: httpx.Client, memory: Memory, folder: Path, launch: Callable[..., Replica], python36: Path
) -> None:
    """Rows of cells to a pipeline that knows its columns by name, and one text a row to a vectorizer."""
    script = """
        import joblib, pandas
        from sklearn.compose import ColumnTransformer
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        frame = pandas.DataFrame({"text": ["good", "bad", "good", "bad"], "size": [1.0, 2.0, 3.0, 4.0]})
        words = ColumnTransformer([("t", CountVectorizer(), "text")], remainder="passthrough")
        said = ["yes", "no", "yes", "no"]
        joblib.dump(make_pipeline(words, LogisticRegression(C=100)).fit(frame, said), "cells.joblib")
        joblib.dump(make_pipeline(CountVectorizer(), LogisticRegression(C=100)).fit(frame["text"], said), "texts.joblib")
    """
    subprocess.run([python36, "-c", textwrap.dedent(script)], cwd=folder, check=True)
    cells, texts = (launch(folder / f"{name}.joblib", python36) for name in ("cells", "texts"))
    memory.publish("cells", wait_for(cells, State.READY))
    memory.publish("texts", wait_for(texts, State.READY))
    sentences = ["good " * 2000, *(["bad"] * 2000)]
    answer = http.post("/services/cells/score", json={"data": [[text, 1.5] for text in sentences]})
    assert answer.status_code == 200, answer.text
    assert answer.json() == ["yes", *(["no"] * 2000)]
    answer = http.post("/services/texts/score", json={"data": sentences})
    assert answer.status_code == 200, answer.text
    assert answer.json() == ["yes", *(["no"] * 2000)]
