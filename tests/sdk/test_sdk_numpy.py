"""What numpy hands over; here it is in the test's own interpreter."""

from pathlib import Path

import numpy as np
import pytest
from mlportal_sdk import history
from mlportal_sdk.recorder import Recorder


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(str(tmp_path))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.longdouble(0.5), 0.5),
        (np.int64(-3), -3),
        (np.uint64(2**63), float(2**63)),
        (np.bool_(True), 1),
        (np.array(2.5), 2.5),
        (np.array(7), 7),
        (np.str_("linear"), "linear"),
        (np.float64("inf"), float("inf")),
    ],
)
def test_scalars_and_arrays_without_dimensions(recorder: Recorder, value: object, plain: object) -> None:
    recorder.log("metric", value)
    assert history.metrics(recorder.path) == {"metric": plain}


def test_steps_may_be_numpy_integers(recorder: Recorder) -> None:
    recorder.log("loss", 1.0, np.int64(3))
    assert [record["s"] for record in history.read(recorder.path)] == [3]


def test_arrays_are_lists_and_columns(recorder: Recorder) -> None:
    recorder.log_list("list", np.array([1.5, np.nan]))
    recorder.log_table("table", {"x": np.arange(2), "y": np.array(["a", "b"])})
    recorder.log_row("row", {"x": np.float32(0.5)})
    recorder.log_object("confusion_matrix", "matrix", {"matrix": np.eye(2), "count": np.int64(2)})
    found = history.metrics(recorder.path)
    assert repr(found["list"]) == "[1.5, nan]"
    assert found["table"] == {"x": [0, 1], "y": ["a", "b"]}
    assert found["row"] == {"x": 0.5}
    assert found["matrix"] == {"matrix": [[1.0, 0.0], [0.0, 1.0]], "count": 2}


@pytest.mark.parametrize("value", [np.array([1, 2]), np.array("text"), np.complex128(1j), np.datetime64("2020-07-24")])
def test_what_is_no_scalar_is_refused(recorder: Recorder, value: object) -> None:
    with pytest.raises(TypeError, match="metric 'metric'"):
        recorder.log("metric", value)
    assert history.metrics(recorder.path) == {}
