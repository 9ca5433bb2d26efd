"""What each logging call writes, and what get_metrics makes of it."""

from collections.abc import Callable
from typing import Any

Script = Callable[[str], Any]
Records = Callable[[], list[dict[str, Any]]]


def test_numbers_and_strings_become_lines(script: Script, records: Records) -> None:
    script("""
run.log("accuracy", 0.5)
run.log("loss", 3, step=7)
run.log("kernel", "linéaire", description="of the SVM")
run.log("described", 1, "why", 2)
""")
    assert records() == [
        {"k": "scalar", "n": "accuracy", "v": 0.5, "s": None},
        {"k": "scalar", "n": "loss", "v": 3, "s": 7},
        {"k": "text", "n": "kernel", "v": "linéaire", "d": "of the SVM"},
        {"k": "scalar", "n": "described", "v": 1, "s": 2, "d": "why"},
    ]


def test_numbers_that_are_not_finite_are_kept_by_name(script: Script, records: Records) -> None:
    metrics = script("""
for value in (float("nan"), float("inf"), float("-inf"), None, 10 ** 400):
    run.log("loss", value)
result = [repr(value) for value in run.get_metrics()["loss"]]
""")
    assert [(record["v"], record["x"]) for record in records()] == [
        (None, name) for name in ("nan", "inf", "-inf", "nan", "inf")
    ]
    assert metrics == ["nan", "inf", "-inf", "nan", "inf"]


def test_other_numbers_and_subclasses_of_strings_are_plain_in_the_record(script: Script, records: Records) -> None:
    script("""
import decimal, enum, fractions
class Colour(str, enum.Enum):
    RED = "red"
class Level(enum.IntEnum):
    HIGH = 3
for value in (True, decimal.Decimal("1.5"), fractions.Fraction(1, 4), Level.HIGH, 2 ** 70):
    run.log("number", value)
run.log("colour", Colour.RED)
""")
    found = [record["v"] for record in records()]
    assert found == [1, 1.5, 0.25, 3, 2.0**70, "red"]
    assert [type(value) for value in found] == [int, float, float, int, float, str]


def test_what_is_no_metric_is_refused_by_name_and_writes_nothing(script: Script, records: Records) -> None:
    messages = script("""
result = []
for call in (
    lambda: run.log("a", object()),
    lambda: run.log("b", [1, 2]),
    lambda: run.log("c", 1j),
    lambda: run.log("d", b"bytes"),
    lambda: run.log("", 1),
    lambda: run.log_list("e", "text"),
    lambda: run.log_list("f", [[1], [2]]),
    lambda: run.log_row("g", x=[1]),
    lambda: run.log_table("h", {"x": [1, 2], "y": [1]}),
    lambda: run.log_table("i", [1]),
    lambda: run.log_confusion_matrix("j", [1]),
    lambda: run.log_image("k"),
    lambda: run.log("l", "x" * 1000001),
):
    try:
        call()
    except (TypeError, ValueError) as error:
        result.append(str(error))
""")
    assert len(messages) == 13
    assert messages[0] == "metric 'a': expected a number or a string, not object"
    assert "columns differ in length" in messages[8]
    assert "outputs/" in messages[12]
    assert records() == []


def test_logging_a_name_again_makes_a_list(script: Script) -> None:
    assert script("""
run.log("once", 0.5)
run.log("twice", 1)
run.log("twice", "x")
result = run.get_metrics()
""") == {"once": 0.5, "twice": [1, "x"]}


def test_lists_are_extended_and_a_list_of_one_is_a_scalar(script: Script) -> None:
    assert script("""
run.log_list("many", [1, 2.5])
run.log_list("many", ("three",))
run.log_list("one", [1])
run.log_list("none", [])
result = run.get_metrics()
""") == {"many": [1, 2.5, "three"], "one": 1}


def test_rows_and_tables_become_columns(script: Script) -> None:
    assert script("""
run.log_row("once", x=1, y=2)
run.log_row("rows", "a description", x=1, y=2)
run.log_row("rows", x=3, y=4)
run.log_row("gaps", x=1)
run.log_row("gaps", x=2, y=5)
run.log_table("table", {"x": [1, 2], "y": ["a", "b"]})
run.log_table("table", {"x": 3, "y": "c"})
run.log_table("row of a table", {"x": [1]})
result = run.get_metrics()
""") == {
        "once": {"x": 1, "y": 2},
        "rows": {"x": [1, 3], "y": [2, 4]},
        "gaps": {"x": [1, 2], "y": [None, 5]},
        "table": {"x": [1, 2, 3], "y": ["a", "b", "c"]},
        "row of a table": {"x": 1},
    }


def test_a_name_keeps_its_first_kind_and_a_warning_says_so(script: Script) -> None:
    metrics, messages = script("""
import warnings
run.log("mixed", 1)
run.log_list("mixed", [3, 4])
run.log("mixed", 2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = [run.get_metrics(), [str(warning.message) for warning in caught]]
""")
    assert metrics == {"mixed": [1, 2]}
    assert messages == ["metric 'mixed' was logged as scalar first: what was logged as list is left out"]


def test_get_metrics_by_name(script: Script) -> None:
    assert script("""
run.log("a", 1)
run.log("b", 2)
result = [run.get_metrics("b"), run.get_metrics(name="c")]
""") == [{"b": 2}, {}]


def test_objects_are_kept_as_they_were_given(script: Script, records: Records) -> None:
    metrics = script("""
matrix = {"schema_type": "confusion_matrix", "schema_version": "v1",
          "data": {"class_labels": ["0", "1"], "matrix": [[3, 0], [1, float("inf")]]}}
run.log_confusion_matrix("matrix", matrix)
run.log_accuracy_table("accuracy", '{"data": [0.5, null, true]}')
run.log_predictions("predictions", {"data": (1, 2)}, description="of the test set")
run.log_residuals("residuals", {"data": []})
read = run.get_metrics()
assert read.pop("matrix") == matrix
result = read
""")
    assert [record["k"] for record in records()] == ["confusion_matrix", "accuracy_table", "predictions", "residuals"]
    assert records()[0]["v"]["data"]["matrix"] == [[3, 0], [1, {"x": "inf"}]]
    assert metrics == {
        "accuracy": {"data": [0.5, None, True]},
        "predictions": {"data": [1, 2]},
        "residuals": {"data": []},
    }


def test_long_lists_and_tables_are_split_into_lines_that_readers_take(script: Script, records: Records) -> None:
    assert script("""
numbers = [index / 7 for index in range(100000)]
run.log_list("list", numbers)
run.log_table("table", {"x": numbers, "y": list(range(100000))})
metrics = run.get_metrics()
result = metrics["list"] == numbers and metrics["table"] == {"x": numbers, "y": list(range(100000))}
""")
    assert len(records()) > 4


def test_names_that_are_not_valid_unicode_do_not_cost_the_line(script: Script, records: Records) -> None:
    script(r"""
run.log("caf\udce9", 1)
run.log("\ud83d\ude00", "half \ud83d")
""")
    assert [(record["n"], record["v"]) for record in records()] == [("caf\ufffd", 1), ("😀", "half \ufffd")]
