"""What a script wrote is sorted into a batch, and what cannot be used is told, never raised."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.metrics import Batch, Ending, Kind, Limits, Logged, Series, read_batch, run_metrics
from experiments.metrics.records import TOO_MANY_NAMES


def line(kind: str, name: str | None = None, t: float = 1.0, **rest: object) -> dict[str, object]:
    return {"t": t, "k": kind, **({} if name is None else {"n": name}), **rest}


def problems(*records: object, limits: Limits | None = None) -> list[str]:
    return read_batch(records, limits=limits).problems


def test_every_kind_of_line_finds_its_place() -> None:
    batch = read_batch(
        [
            line("scalar", "loss", 1.0, v=0.5, s=10, d="the loss"),
            line("scalar", "loss", 2.0, v=None, x="nan", s=11),
            line("text", "note", 3.0, v="hello", d="said"),
            line("list", "l", 4.0, v=[1, 2.5, "a", {"x": "inf"}]),
            line("row", "r", 5.0, v={"x": 1, "y": {"x": "nan"}}),
            line("table", "t", 6.0, v={"x": [1, 2], "y": ["a", "b"]}),
            line("image", "i", 7.0, path="plots/a.png"),
            line("confusion_matrix", "c", 8.0, v={"data": {"matrix": [[1, 0], [0, 1]]}}),
            line("param", "C", v="1.0"),
            line("tag", "color", v="blue"),
            line("tag", "bare", v=None),
            line("untag", "old"),
            line("property", "p", v="q"),
            line("file", "model/model.joblib"),
            line("complete"),
        ]
    )
    assert batch == Batch(
        scalars={"loss": Series.of([10, 11], [1.0, 2.0], [0.5, math.nan])},
        descriptions={"loss": "the loss"},
        logged=[
            Logged("note", Kind.TEXT, 3.0, "hello", "said"),
            Logged("l", Kind.LIST, 4.0, [1, 2.5, "a", {"x": "inf"}]),
            Logged("r", Kind.ROW, 5.0, {"x": 1, "y": {"x": "nan"}}),
            Logged("t", Kind.TABLE, 6.0, {"x": [1, 2], "y": ["a", "b"]}),
            Logged("i", Kind.IMAGE, 7.0, "plots/a.png"),
            Logged("c", Kind.CONFUSION_MATRIX, 8.0, {"data": {"matrix": [[1, 0], [0, 1]]}}),
        ],
        params={"C": "1.0"},
        tags={"color": "blue", "bare": None},
        untags={"old"},
        properties={"p": "q"},
        files=["model/model.joblib"],
        ending=Ending(failed=False),
    )


@pytest.mark.parametrize(("token", "value"), [("inf", math.inf), ("-inf", -math.inf)])
def test_infinities_are_numbers(token: str, value: float) -> None:
    assert read_batch([line("scalar", "a", v=None, x=token)]).scalars["a"].values[0] == value


def test_a_point_without_a_step_gets_the_next_index_of_its_name() -> None:
    records = [line("scalar", name, v=1.0, s=None) for name in ("a", "b", "a")]
    batch = read_batch([*records, line("scalar", "a", v=1.0, s=100), line("scalar", "a", v=1)], counts={"a": 7})
    assert list(batch.scalars["a"].steps) == [7, 8, 100, 10]
    assert list(batch.scalars["b"].steps) == [0]


def test_a_tag_that_is_set_and_removed_is_only_removed_and_the_other_way_round() -> None:
    batch = read_batch([line("tag", "a", v="1"), line("untag", "a"), line("untag", "b"), line("tag", "b", v="2")])
    assert batch.tags == {"b": "2"}
    assert batch.untags == {"a", "b"}


def test_the_first_value_of_a_parameter_stays_and_the_other_is_told() -> None:
    batch = read_batch([line("param", "C", v="1"), line("param", "C", v="1"), line("param", "C", v="2")])
    assert batch.params == {"C": "1"}
    assert batch.problems == ["param 'C' has another value already"]


def test_a_failure_carries_its_message() -> None:
    assert read_batch([line("fail", message="no data", code="E1")]).ending == Ending(True, "no data", "E1")
    assert read_batch([line("fail", message=None, code=None)]).ending == Ending(True)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (None, "a line is not an object"),
        ([1], "a line is not an object"),
        ({}, "a line has no known kind"),
        ({"k": ["scalar"]}, "a line has no known kind"),
        (line("scaler", "a", v=1), "scaler 'a' has no known kind"),
        (line("scalar", v=1), "scalar has no name"),
        (line("scalar", "", v=1), "scalar has no name"),
        ({"t": 1.0, "k": "scalar", "n": 5, "v": 1}, "scalar has no name"),
        (line("scalar", "a" * 251, v=1), f"scalar {'a' * 60 + '…'!r} has a name longer than 250 characters"),
        (line("scalar", "a\0", v=1), r"scalar 'a\x00' has a name that is no valid text"),
        (line("scalar", "\ud800", v=1), r"scalar '\ud800' has a name that is no valid text"),
        (line("scalar", "a", v="1"), "scalar 'a' has a value that is no number"),
        (line("scalar", "a", v=None), "scalar 'a' has a value that is no number"),
        (line("scalar", "a", v=None, x="nonsense"), "scalar 'a' has a value that is no number"),
        (line("scalar", "a", v=10**400), "scalar 'a' has a number too large for a float"),
        (line("scalar", "a", v=1, s=2**63), "scalar 'a' has a step that is no 64-bit integer"),
        (line("scalar", "a", v=1, s="1"), "scalar 'a' has a step that is no 64-bit integer"),
        (line("scalar", "a", v=1, s=True), "scalar 'a' has a step that is no 64-bit integer"),
        (line("scalar", "a", v=1, t=math.nan), "scalar 'a' has a time out of range"),
        (line("scalar", "a", v=1, t=1e300), "scalar 'a' has a time out of range"),
        ({"k": "scalar", "n": "a", "v": 1}, "scalar 'a' has no time"),
        (line("scalar", "a", v=1, d=5), "scalar 'a' has a value that is no text"),
        (line("text", "a", v=5), "text 'a' has a value that is no text"),
        (line("param", "a", v="x" * 6001), "param 'a' has a text longer than 6000 characters"),
        (line("tag", "a", v=1), "tag 'a' has a value that is no text"),
        (line("list", "a", v={"x": 1}), "list 'a' has a value that is no list"),
        (line("list", "a", v=[[1]]), "list 'a' has a cell that is neither number nor text"),
        (line("row", "a", v=[1]), "row 'a' has a value that is no object of columns"),
        (line("table", "a", v={"x": 1}), "table 'a' has a value that is no list"),
        (
            line("image", "a", path="../../etc/passwd"),
            "image 'a' names a file that is refused: the name has a segment '..'",
        ),
        (line("image", "a"), "image 'a' names no file"),
        (line("file", ""), "file names a file that is refused: the name is empty"),
        (line("file", "a/.."), "file 'a/..' names a file that is refused: the name has a segment '..'"),
        (line("list", "a", v=[10**400]), "list 'a' has a number too large for a float"),
        (line("residuals", "a", v="x"), "residuals 'a' has a value that is no object"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_and_leaves_nothing(record: object, problem: str) -> None:
    batch = read_batch([record])
    assert batch == Batch(problems=[problem], reasons=[problem], skipped=1)


def test_the_rest_of_a_batch_survives_a_bad_line() -> None:
    batch = read_batch([line("scalar", "a", v=1.0), line("scalar", "a", v="bad"), line("scalar", "a", v=2.0)])
    assert list(batch.scalars["a"].values) == [1.0, 2.0]
    assert list(batch.scalars["a"].steps) == [0, 1]


def test_the_same_problem_is_told_once_with_its_count() -> None:
    assert problems(*[line("scalar", "a", v="x")] * 3) == ["scalar 'a' has a value that is no number (3 times)"]


def test_a_flood_of_problems_is_cut_and_counted() -> None:
    batch = read_batch(line("scalar", f"n{i}", v="x") for i in range(1000))
    assert len(batch.problems) == 51
    assert batch.problems[-1] == "and 950 more lines were skipped"
    assert batch.skipped == 1000


def test_the_limits_of_lists_and_objects_hold() -> None:
    limits = Limits(cells=3, object_length=30, depth=2)
    assert problems(line("list", "a", v=[1, 2, 3]), line("residuals", "b", v={"a": [1]}), limits=limits) == []
    assert problems(line("table", "a", v={"x": [1, 2], "y": [1, 2]}), limits=limits) == [
        "table 'a' has more than 3 cells"
    ]
    assert "longer than 30" in problems(line("residuals", "a", v={"a": "x" * 30}), limits=limits)[0]
    assert "nested too deeply" in problems(line("residuals", "a", v=[[[[1]]]]), limits=limits)[0]


def test_a_very_deep_object_is_told_not_raised() -> None:
    assert "nested too deeply" in problems(line("predictions", "a", v=json.loads("[" * 900 + "]" * 900)))[0]


def test_integers_that_json_writers_refuse_become_floats() -> None:
    batch = read_batch([line("list", "a", v=[2**63 - 1, 2**64]), line("residuals", "b", v={"n": -(2**64)})])
    assert [repr(logged.value) for logged in batch.logged] == [
        "[9223372036854775807, 1.8446744073709552e+19]",
        "{'n': -1.8446744073709552e+19}",
    ]


def test_texts_that_a_database_refuses_are_mended() -> None:
    batch = read_batch([line("text", "a", v="x\0y\ud800z"), line("predictions", "b", v={"k\0": ["\ud800"]})])
    assert [logged.value for logged in batch.logged] == ["x\ufffdy\ufffdz", {"k\ufffd": ["\ufffd"]}]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
kinds = st.sampled_from([*map(str, Kind), "scalar", "param", "tag", "untag", "property", "file", "complete", "fail"])


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["t", "n", "v", "s", "x", "d", "path", "message"]), json_values), max_size=5
    ),
    st.lists(kinds, min_size=5, max_size=5),
)
def test_nothing_that_a_line_says_raises_and_all_is_storable(found: list[dict[str, Any]], kind: list[str]) -> None:
    records = [{"t": 1.0, "n": "a", **record, "k": k} for record, k in zip(found, kind, strict=False)]
    batch = read_batch(records)
    for logged in batch.logged:
        text = json.dumps(logged.value, allow_nan=False, ensure_ascii=False)
        assert "\0" not in text
        text.encode()
    assert batch.skipped <= len(records)


def view(*records: dict[str, object]) -> dict[str, object]:
    batch = read_batch(records)
    assert batch.problems == []
    return run_metrics(batch.scalars, batch.logged, image_reference=lambda name: f"ref:{name}")


@pytest.mark.parametrize(
    ("records", "value"),
    [
        ([line("scalar", "m", v=0.5)], 0.5),
        ([line("scalar", "m", v=0.5), line("scalar", "m", v=0.25)], [0.5, 0.25]),
        ([line("text", "m", v="rbf")], "rbf"),
        ([line("scalar", "m", 1, v=1.0), line("text", "m", 2, v="a"), line("scalar", "m", 3, v=2.0)], [1.0, "a", 2.0]),
        ([line("list", "m", v=[1, "a"])], [1, "a"]),
        ([line("list", "m", v=[5])], 5),
        ([line("list", "m", v=[5]), line("list", "m", v=[6, 7])], [5, 6, 7]),
        ([line("list", "m", v=[])], []),
        ([line("row", "m", v={"x": 1, "y": 2})], {"x": 1, "y": 2}),
        ([line("row", "m", v={"x": 1, "y": 2}), line("row", "m", v={"x": 3, "y": 4})], {"x": [1, 3], "y": [2, 4]}),
        ([line("table", "m", v={"x": [1, 2]})], {"x": [1, 2]}),
        ([line("table", "m", v={"x": [1]})], {"x": [1]}),
        ([line("table", "m", v={"x": [1]}), line("row", "m", v={"x": 2})], {"x": [1, 2]}),
        ([line("image", "m", path="a.png")], "ref:a.png"),
        ([line("image", "m", path="a.png"), line("image", "m", path="b.png")], ["ref:a.png", "ref:b.png"]),
        ([line("residuals", "m", v={"data": {"x": [1]}})], {"data": {"x": [1]}}),
        ([line("list", "m", 1, v=[1, 2]), line("scalar", "m", 2, v=5.0)], [1, 2]),
        ([line("scalar", "m", 1, v=5.0), line("row", "m", 2, v={"x": 1})], 5.0),
        ([line("row", "m", v={"x": {"x": "inf"}})], {"x": math.inf}),
        ([line("row", "m", v={"x": "nan"})], {"x": "nan"}),
        ([line("list", "m", v=[{"x": "-inf"}, "nan"])], [-math.inf, "nan"]),
    ],
)
def test_metrics_read_back_as_azure_gives_them(records: list[dict[str, object]], value: object) -> None:
    assert view(*records) == {"m": value}


def test_names_come_in_the_order_of_their_first_log() -> None:
    found = view(line("text", "z", 1, v="a"), line("scalar", "b", 2, v=1.0), line("list", "a", 3, v=[1]))
    assert list(found) == ["z", "b", "a"]


def test_nan_is_a_python_float() -> None:
    value = view(line("scalar", "m", v=None, x="nan"))["m"]
    assert isinstance(value, float)
    assert math.isnan(value)


def test_new_names_beyond_the_room_are_told_once_and_without_the_names() -> None:
    records = [line("scalar", name, v=1.0) for name in ("old", "a", "b", "c", "a", "d", "old")]
    batch = read_batch(records, limits=Limits(new_names=2), counts={"old": 3})
    assert {name: len(points) for name, points in batch.scalars.items()} == {"old": 2, "a": 2, "b": 1}
    assert (batch.reasons, batch.skipped) == ([TOO_MANY_NAMES], 2)
    assert batch.problems == [f"{TOO_MANY_NAMES} (2 times)"]
