"""Whatever names and values a script logs, they come back as they were."""

import math
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from mlportal_sdk import history
from mlportal_sdk.recorder import Recorder

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats()
scalars = numbers | st.text(st.characters(exclude_categories=["Cs"]))


def same(left: object, right: object) -> bool:
    """Equal and of one type; NaN equals itself here."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return type(left) is type(right) and left == right


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(names, st.lists(scalars, min_size=2, max_size=5), max_size=3))
def test_series_of_scalars(logged: dict[str, list[int | float | str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        recorder = Recorder(directory)
        for name, series in logged.items():
            for value in series:
                recorder.log(name, value)
        found = history.metrics(recorder.path)
    assert list(found) == list(logged)
    assert all(same(found[name], logged[name]) for name in logged)


@settings(max_examples=100, deadline=None)
@given(names, st.lists(scalars, min_size=2, max_size=8), st.integers(0, 8))
def test_lists_in_two_parts(name: str, items: list[int | float | str], cut: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        recorder = Recorder(directory)
        recorder.log_list(name, items[:cut])
        recorder.log_list(name, items[cut:])
        found = history.metrics(recorder.path)
    assert same(found[name], items)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(names, st.tuples(scalars, scalars), min_size=1, max_size=4))
def test_tables_by_columns(table: dict[str, tuple[int | float | str, int | float | str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        recorder = Recorder(directory)
        recorder.log_table("table", table)
        found = history.metrics(recorder.path)["table"]
    assert all(same(found[column], list(cells)) for column, cells in table.items())
