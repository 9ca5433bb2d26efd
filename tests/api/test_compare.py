"""Comparing runs by the JSON API: who may, what is answered, how much at most."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import services
from experiments.metrics import Series, pack
from experiments.models import EnvironmentVersion, Metric, MetricChunk, Parameter, Run
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from tests.api.conftest import Callers, error_of

Submit = Callable[..., Run]
NOBODY = "0" * 32


@pytest.fixture
def runs(submit: Submit) -> list[Run]:
    """Two with metrics and parameters, one with neither."""
    made = [submit(arguments=["--depth", depth]) for depth in ("3", "4")]
    for run, loss in zip(made, (0.5, 0.25), strict=True):
        points = [
            {"t": 100.0 + step, "k": "scalar", "n": "loss", "v": loss + 1 / step, "s": step} for step in range(1, 51)
        ]
        odd = [{"t": 1.0, "k": "scalar", "n": "odd", "x": "nan" if run is made[0] else "-inf"}]
        services.log_metrics(run, [*points, *odd], by=run.created_by)
        Parameter.objects.create(run=run, name="depth", value=run.arguments[1])
        Parameter.objects.create(run=run, name="seed", value="1")
    return [*made, submit()]


def uids(runs: list[Run]) -> str:
    return ",".join(run.uid for run in runs)


def test_values_are_answered_name_by_name(callers: Callers, runs: list[Run]) -> None:
    one, other, bare = (run.uid for run in runs)
    answer = callers["reader"].get("compare/", {"runs": f"{uids(runs)},{NOBODY}"}).json()
    assert [run["id"] for run in answer["runs"]] == [one, other, bare]
    assert answer["missing"] == 1
    assert answer["parameters"] == [
        {"name": "depth", "differs": True, "values": ["3", "4", None]},
        {"name": "seed", "differs": True, "values": ["1", "1", None]},
    ]
    loss, odd = answer["metrics"]
    assert loss["name"] == "loss" and loss["goal"] == "lower" and loss["count"] == [50, 50, None]
    assert loss["last"] == [0.52, 0.27, None]
    assert loss["best"] == {"last": [other], "best": [other], "min": [other], "max": [other]}
    assert odd["last"] == ["NaN", "-Infinity", None] and odd["best"]["last"] == []
    assert answer["left_out"] == {"parameters": 0, "tags": 0, "metrics": 0}


def test_a_post_answers_the_same_and_makes_nothing(callers: Callers, runs: list[Run]) -> None:
    wishes: dict[str, dict[str, Any]] = {
        "compare/": {"search": "lo"},
        "compare/curves/": {"name": ["loss"], "points": 20},
    }
    for path, wish in wishes.items():
        got = callers["reader"].get(path, {"runs": uids(runs), **wish})
        posted = callers["reader"].post(path, {"runs": [run.uid for run in runs], **wish})
        assert got.status_code == posted.status_code == 200
        assert got.json() == posted.json()


def test_only_names_that_are_searched_for(callers: Callers, runs: list[Run]) -> None:
    answer = callers["reader"].get("compare/", {"runs": uids(runs), "search": "DEP"}).json()
    assert [row["name"] for row in answer["parameters"]] == ["depth"]
    assert answer["metrics"] == []


def test_curves_of_many_runs_come_in_one_answer_and_thinned(callers: Callers, runs: list[Run]) -> None:
    query = {"runs": uids(runs), "name": ["loss", "nothing"], "points": 10}
    answer = callers["reader"].get("compare/curves/", query).json()
    assert set(answer["curves"]) == {"loss", "nothing"} and answer["curves"]["nothing"] == {}
    assert set(answer["curves"]["loss"]) == {runs[0].uid, runs[1].uid}
    curve = answer["curves"]["loss"][runs[1].uid]
    assert curve["count"] == 50 and len(curve["steps"]) <= 10
    assert (curve["steps"][0], curve["values"][0], curve["times"][0]) == (1, 1.25, 101.0)
    assert (curve["steps"][-1], curve["values"][-1]) == (50, 0.27)
    assert answer["left_out"] == 0


def test_chunks_of_runs_that_went_on_at_the_same_time_are_kept_apart(callers: Callers, runs: list[Run]) -> None:
    metrics = [Metric.objects.create(run=run, name="both", count=4) for run in runs[:2]]
    for first in (0, 2):
        for metric in metrics:
            part = Series.of([first, first + 1], [1.0, 1.0], [metric.pk, metric.pk])
            MetricChunk.objects.create(metric=metric, first_step=first, count=2, data=pack(part))
    curves = callers["reader"].get("compare/curves/", {"runs": uids(runs), "name": "both"}).json()["curves"]["both"]
    for metric in metrics:
        assert curves[metric.run.uid]["steps"] == [0, 1, 2, 3]
        assert curves[metric.run.uid]["values"] == [metric.pk] * 4


def test_curves_end_where_the_setting_says(callers: Callers, runs: list[Run], settings: Any) -> None:
    settings.COMPARE_POINTS = 60
    answer = callers["reader"].get("compare/curves/", {"runs": uids(runs), "name": "loss"}).json()
    assert list(answer["curves"]["loss"]) == [runs[0].uid]
    assert answer["left_out"] == 1


def test_numbers_that_are_not_finite_stay_in_curves(callers: Callers, runs: list[Run]) -> None:
    curves = callers["reader"].get("compare/curves/", {"runs": uids(runs), "name": "odd"}).json()["curves"]["odd"]
    assert [curves[run.uid]["values"] for run in runs[:2]] == [["NaN"], ["-Infinity"]]


def test_two_runs_differ_in_arguments_code_and_packages(
    callers: Callers, runs: list[Run], workspace: Workspace, owner: User
) -> None:
    lock = {"python_version": "3.11.1", "platform": "linux-x86_64", "index_options": [], "allow_source_builds": False}
    EnvironmentVersion.objects.update(lock={**lock, "text": "numpy==1.26\n"})
    files = [("train.py", io.BytesIO(b"print(2)\n")), ("new.py", io.BytesIO(b"pass"))]
    snapshot = services.take_files(workspace, files, by=owner).snapshot
    Run.objects.filter(pk=runs[1].pk).update(snapshot=snapshot)
    query = {"before": runs[0].uid, "after": runs[1].uid}
    answer = callers["reader"].get("compare/difference/", query).json()
    assert answer["arguments"] == [[" ", "--depth"], ["-", "3"], ["+", "4"]]
    assert answer["parameters"] == [{"name": "depth", "before": "3", "after": "4"}]
    assert [(file["kind"], file["path"]) for file in answer["files"]] == [
        ("removed", "data/notes.txt"),
        ("added", "new.py"),
        ("changed", "train.py"),
    ]
    assert answer["environment"] == {"before": "tiny:1", "after": "tiny:1", "packages": []}
    file = callers["reader"].get("compare/difference/file/", {**query, "path": "train.py"}).json()
    assert file["lines"] == [["@", "@@ -1,1 +1,1 @@"], ["-", "print(1)"], ["+", "print(2)"]]
    missing = callers["reader"].get("compare/difference/file/", {**query, "path": "no"})
    assert missing.status_code == 404
    error_of(missing)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("compare/", {}),
        ("compare/", {"runs": ""}),
        ("compare/", {"runs": "x"}),
        ("compare/", {"runs": f"{NOBODY},"}),
        ("compare/", {"runs": NOBODY, "search": "x" * 251}),
        ("compare/", {"runs": NOBODY, "nonsense": "1"}),
        ("compare/curves/", {"runs": NOBODY}),
        ("compare/curves/", {"runs": NOBODY, "name": ["x"] * 21}),
        ("compare/curves/", {"runs": NOBODY, "name": "x", "points": 9}),
        ("compare/difference/", {"before": NOBODY}),
        ("compare/difference/file/", {"before": NOBODY, "after": NOBODY}),
    ],
)
def test_what_cannot_be_asked_gets_one_clear_error(callers: Callers, path: str, query: dict[str, Any]) -> None:
    answer = callers["reader"].get(path, query)
    assert answer.status_code == 400
    error_of(answer)


@pytest.mark.parametrize("body", [{}, {"runs": []}, {"runs": "x"}, {"runs": [1]}, {"runs": [NOBODY], "more": 1}])
def test_a_body_is_held_to_the_same(callers: Callers, body: dict[str, Any]) -> None:
    answer = callers["reader"].post("compare/", body)
    assert answer.status_code == 400
    error_of(answer)


def test_more_runs_than_the_setting_allows_are_refused(callers: Callers, runs: list[Run], settings: Any) -> None:
    settings.COMPARE_RUNS = 2
    for path in ("compare/", "compare/curves/"):
        answer = callers["reader"].get(path, {"runs": uids(runs), **({"name": "loss"} if "curves" in path else {})})
        assert answer.status_code == 413
        assert "MLPORTAL_COMPARE_RUNS" in error_of(answer)["message"]


def test_runs_elsewhere_are_missing(callers: Callers, runs: list[Run], stranger: User) -> None:
    create_workspace("other", by=stranger)
    callers["stranger"].workspace = "other"
    answer = callers["stranger"].get("compare/", {"runs": uids(runs)}).json()
    assert (answer["runs"], answer["missing"], answer["parameters"]) == ([], 3, [])
    two = {"before": runs[0].uid, "after": runs[1].uid}
    assert callers["stranger"].get("compare/difference/", two).status_code == 404


def test_queries_do_not_grow_with_runs(callers: Callers, runs: list[Run], submit: Submit) -> None:
    def count(some: list[Run]) -> list[int]:
        counts = []
        for path, wish in (("compare/", {}), ("compare/curves/", {"name": "loss"})):
            with CaptureQueriesContext(connection) as captured:
                assert callers["reader"].get(path, {"runs": uids(some), **wish}).status_code == 200
            counts.append(len(captured))
        return counts

    count(runs)  # the first call notes that the token is used
    few = count(runs[:1])
    more = [*runs, *(submit() for _ in range(5))]
    for run in more[3:]:
        services.log_metrics(run, [{"t": 1.0, "k": "scalar", "n": "loss", "v": 1.0}], by=run.created_by)
        Parameter.objects.create(run=run, name=run.uid, value="1")
    assert count(more) == few
