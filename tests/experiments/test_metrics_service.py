"""What scripts log: ingested in batches, read as summaries, curves and as SDK v1 gives it back."""

import json
import math
from typing import Any

import pytest
from pytest_django import Settings

from experiments import services
from experiments.metrics.records import TOO_MANY_NAMES
from experiments.models import LoggedValue, Metric, MetricChunk, Run
from experiments.services import metrics
from experiments.status import RunStatus
from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal
from mlportal.errors import BadInput, Conflict, NotAllowed
from tests.experiments.conftest import Submit


@pytest.fixture
def run(running: Submit) -> Run:
    return running()


def scalar(name: str, value: float, step: int | None = None, time: float = 1.0) -> dict[str, Any]:
    if math.isfinite(value):
        return {"t": time, "k": "scalar", "n": name, "v": value, "s": step}
    return {"t": time, "k": "scalar", "n": name, "v": None, "x": str(value), "s": step}


def summary(run: Run, name: str) -> dict[str, Any]:
    return next(found for found in services.metric_summaries(run) if found["name"] == name)


def test_points_come_back_in_order_with_their_steps_times_and_values(run: Run) -> None:
    metrics.ingest(run, [scalar("loss", 1 / (step + 1), step, time=100.0 + step) for step in range(50)])
    metrics.ingest(run, [scalar("loss", 1 / (step + 1), step, time=100.0 + step) for step in range(50, 100)])
    curve = services.series(run, ["loss"], points=1000)["loss"]
    assert curve["steps"] == list(range(100))
    assert curve["times"] == [100.0 + step for step in range(100)]
    assert curve["values"] == [1 / (step + 1) for step in range(100)]
    assert curve["count"] == 100


def test_the_summary_of_many_batches_is_that_of_one(run: Run, running: Submit) -> None:
    values = [3.0, -1.5, 7.25, 7.25, 0.0, 2.0]
    records = [scalar("x", value, step) for step, value in enumerate(values)]
    metrics.ingest(run, records)
    other = running()
    for record in records:
        metrics.ingest(other, [record])
    assert summary(run, "x") == summary(other, "x")
    found = summary(run, "x")
    assert (found["count"], found["last"], found["last_step"]) == (6, 2.0, 5)
    assert (found["least"], found["least_step"], found["most"], found["most_step"]) == (-1.5, 1, 7.25, 2)
    assert found["mean"] == pytest.approx(sum(values) / 6)


def test_points_without_steps_count_up_over_batches(run: Run) -> None:
    for _ in range(3):
        metrics.ingest(run, [scalar("x", 1.0), scalar("x", 2.0)])
    assert services.series(run, ["x"])["x"]["steps"] == [0, 1, 2, 3, 4, 5]


def test_small_batches_are_merged_into_few_chunks(run: Run) -> None:
    for step in range(200):
        metrics.ingest(run, [scalar("x", step, step)])
    counts = [chunk.count for chunk in MetricChunk.objects.all()]
    assert sum(counts) == 200 and len(counts) <= 8 and counts == sorted(counts, reverse=True)
    assert services.series(run, ["x"])["x"]["steps"] == list(range(200))
    metrics.ingest(run, [scalar("x", step, step) for step in range(200, 200 + MetricChunk.LOOSE)])
    metrics.ingest(run, [scalar("x", 1.0, 10_000)])
    assert [chunk.count for chunk in MetricChunk.objects.all()] == [200 + MetricChunk.LOOSE, 1]
    assert summary(run, "x")["count"] == 201 + MetricChunk.LOOSE


@pytest.mark.parametrize("last", [math.nan, math.inf, -math.inf, 1.0])
def test_numbers_that_are_not_finite_go_round_and_stay_json(run: Run, last: float) -> None:
    values = [math.nan, math.inf, -math.inf, 1.0, last]
    metrics.ingest(run, [scalar("x", value, step) for step, value in enumerate(values)])
    stored = Metric.objects.get(run=run, name="x")
    assert repr(stored.summary.last) == repr(last)
    assert (stored.count, stored.summary.min, stored.summary.max) == (5, -math.inf, math.inf)
    curve = services.series(run, ["x"])["x"]
    json.dumps([curve, services.metric_summaries(run), services.azure_metrics(run)], allow_nan=False)
    assert len(curve["values"]) == 5
    assert curve["values"][3] == 1.0
    assert len({str(value) for value in curve["values"][:3]}) == 3  # each is told from the others
    metrics.ingest(run, [scalar("x", 2.0, 5)])  # and more can follow
    assert summary(run, "x")["last"] == 2.0


def test_a_long_curve_is_thinned_and_keeps_its_peak(run: Run) -> None:
    metrics.ingest(run, [scalar("x", 1000.0 if step == 1234 else 0.0, step) for step in range(5000)])
    curve = services.series(run, ["x"], points=100)["x"]
    assert len(curve["steps"]) <= 200
    assert curve["count"] == 5000
    assert 1000.0 in curve["values"]
    for points in (0, 9, 100_001):
        with pytest.raises(BadInput):
            services.series(run, ["x"], points=points)
    assert services.series(run, ["absent"]) == {}


def test_texts_and_numbers_under_one_name_are_both_kept(run: Run) -> None:
    metrics.ingest(run, [scalar("a", 1.0), {"t": 2.0, "k": "text", "n": "a", "v": "linear"}, scalar("a", 3.0)])
    assert summary(run, "a")["count"] == 2
    assert [(row.name, row.value) for row in services.logged_values(run)] == [("a", "linear")]
    assert "linear" in str(services.azure_metrics(run)["a"])


def test_azure_s_view_gives_a_number_or_a_list(run: Run) -> None:
    metrics.ingest(
        run,
        [
            scalar("once", 0.5),
            scalar("twice", 1.0),
            scalar("twice", 2.0),
            {"t": 1.0, "k": "text", "n": "Kernel type", "v": "linear"},
            {"t": 1.0, "k": "list", "n": "l", "v": [1, 2]},
        ],
    )
    assert services.azure_metrics(run) == {"once": 0.5, "twice": [1.0, 2.0], "Kernel type": "linear", "l": [1, 2]}


def test_parameters_and_properties_stay_and_tags_change(run: Run) -> None:
    def lines(value: str) -> list[object]:
        return [{"t": 1.0, "k": kind, "n": "a", "v": value} for kind in ("param", "property", "tag")]

    metrics.ingest(run, lines("first"))
    metrics.ingest(run, lines("second"))
    assert (run.parameters.get().value, run.properties.get().value, run.tags.get().value) == (
        "first",
        "first",
        "second",
    )
    metrics.ingest(run, [{"t": 1.0, "k": "untag", "n": "a"}])
    assert not run.tags.exists()


HOSTILE: list[object] = [
    None,
    [],
    {"k": "scalar"},
    {"t": 1.0, "k": "scalar", "n": "", "v": 1.0},
    {"t": 1.0, "k": "scalar", "n": "x" * 251, "v": 1.0},
    {"t": 1.0, "k": "scalar", "n": "a", "v": "text"},
    {"t": 1.0, "k": "scalar", "n": "a", "v": 1.0, "s": 1 << 70},
    {"t": 1e300, "k": "scalar", "n": "a", "v": 1.0},
    {"t": 1.0, "k": "tag", "n": "a", "v": {"deep": []}},
    {"t": 1.0, "k": "param", "n": "\0", "v": "x"},
    {"t": 1.0, "k": "row", "n": "a", "v": [1]},
    {"t": 1.0, "k": "list", "n": "a", "v": json.loads("[" * 200 + "]" * 200)},
    {"t": 1.0, "k": "unheard-of", "n": "a"},
]


def test_what_is_not_valid_is_skipped_and_what_stands_beside_it_is_kept(run: Run) -> None:
    batch = metrics.ingest(run, [scalar("good", 1.0), *HOSTILE, scalar("good", 2.0)])
    assert summary(run, "good")["count"] == 2
    assert batch.skipped >= len(HOSTILE) - 2  # what can be mended may be kept, too
    json.dumps(services.azure_metrics(run), allow_nan=False)


def test_over_http_a_batch_is_taken_whole_or_not_at_all(run: Run, owner: User) -> None:
    services.log_metrics(run, [scalar("x", 1.0)], by=owner)
    with pytest.raises(BadInput) as refusal:
        services.log_metrics(run, [scalar("x", 2.0), {"t": 1.0, "k": "scalar", "n": "x", "v": "two"}], by=owner)
    assert refusal.value.details["problems"]
    assert summary(run, "x")["count"] == 1


def test_a_runs_token_writes_to_that_run_alone(running: Submit, owner: User, reader: User, stranger: User) -> None:
    mine, other = running(), running()
    script = RunPrincipal(mine.pk, mine.workspace_id, owner)
    services.log_metrics(mine, [scalar("x", 1.0)], by=script)
    services.set_tags(mine, {"a": "b"}, by=script)
    for person in (script, reader, stranger):
        with pytest.raises(NotAllowed):
            services.log_metrics(other, [scalar("x", 1.0)], by=person)
        with pytest.raises(NotAllowed):
            services.set_tags(other, {"a": "b"}, by=person)
    assert services.metric_summaries(other) == []
    assert list(Run.objects.visible_to(script)) == [mine]


def test_a_page_learns_of_new_points_by_the_revision(run: Run, owner: User) -> None:
    before = run.revision
    services.log_metrics(run, [scalar("x", 1.0)], by=owner)
    run.refresh_from_db()
    assert run.revision == before + 1


def test_run_fail_is_remembered(run: Run) -> None:
    metrics.ingest(run, [{"t": 1.0, "k": "fail", "message": "no convergence", "code": "E7"}])
    run.refresh_from_db()
    assert run.failure == {"type": "E7", "message": "no convergence"}
    assert not LoggedValue.objects.exists()


def test_a_final_runs_end_is_not_rewritten(run: Run, owner: User) -> None:
    run.tokens.all().delete()
    Run.objects.move(run, RunStatus.FINALIZING)
    Run.objects.move(run, RunStatus.COMPLETED)
    late = Run.objects.get(pk=run.pk)
    with pytest.raises(Conflict, match="completed"):
        services.log_metrics(late, [scalar("late", 1.0), {"t": 1.0, "k": "fail", "message": "too late"}], by=owner)
    metrics.ingest(late, [{"t": 1.0, "k": "fail", "message": "too late"}])
    run.refresh_from_db()
    assert (run.status, run.failure, late.failure) == (RunStatus.COMPLETED, None, None)
    assert not Metric.objects.exists()
    services.log_metrics(late, [scalar("late", 1.0)], by=owner)  # numbers may be added
    assert summary(run, "late")["last"] == 1.0


def test_a_final_runs_failure_stays_the_first_one(run: Run, owner: User) -> None:
    stale = Run.objects.get(pk=run.pk)
    Run.objects.move(run, RunStatus.FAILED, failure={"type": "Real", "message": "what happened"})
    with pytest.raises(Conflict):  # by a row that was read before the end
        services.log_metrics(stale, [{"t": 1.0, "k": "fail", "message": "other"}], by=owner)
    run.refresh_from_db()
    assert run.failure == {"type": "Real", "message": "what happened"}


def test_names_beyond_the_limit_are_left_out_and_the_run_says_so(run: Run, owner: User, settings: Settings) -> None:
    settings.RUN_METRIC_NAMES = 600
    metrics.ingest(run, [scalar(f"first {number}", 1.0, 0) for number in range(400)])
    run.refresh_from_db()
    assert run.warnings == []
    for batch in range(3):
        metrics.ingest(run, [scalar(f"then {batch} {number}", 1.0, 0) for number in range(400)])
    metrics.ingest(run, [scalar("first 7", 2.0, 1)])  # a name that is there goes on
    run.refresh_from_db()
    assert (run.metrics.count(), run.warnings) == (600, [TOO_MANY_NAMES])
    assert summary(run, "first 7")["count"] == 2
    with pytest.raises(BadInput, match="MLPORTAL_METRIC_NAMES"):
        services.log_metrics(run, [scalar("one more", 1.0)], by=owner)


def test_a_flood_of_names_is_a_few_statements(run: Run, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(150):
        metrics.ingest(run, [scalar(f"name {number}", 1.0, 0) for number in range(5000)])
    assert run.metrics.count() == MetricChunk.objects.count() == 5000


def test_what_was_skipped_is_a_warning_of_the_run_once(run: Run) -> None:
    long = "x" * 251
    for _ in range(2):
        metrics.ingest(run, [scalar(long, 1.0), scalar("nul\0", 1.0), scalar("loss", 1.0)], bad_lines=3)
    for number in range(100):
        metrics.ingest(run, [{"t": 1.0, "k": "list", "n": f"list {number}", "v": "no list"}])
    run.refresh_from_db()
    assert run.warnings[:3] == [
        f"scalar {'x' * 60 + '…'!r} has a name longer than 250 characters",
        "scalar 'nul\\x00' has a name that is no valid text",
        metrics.BAD_LINES,
    ]
    assert len(run.warnings) == metrics.MOST_WARNINGS
