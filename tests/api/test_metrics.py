from typing import Any

import pytest

from experiments import services
from experiments.models import Run
from tests.api.conftest import Callers, error_of

pytestmark = pytest.mark.django_db


def test_summaries(callers: Callers, running: Run) -> None:
    (summary,) = callers["reader"].get(f"runs/{running.uid}/metrics/").json()
    assert (summary["name"], summary["count"], summary["last"], summary["most"]) == ("loss", 20, 0.05, 1.0)


def test_curves_are_thinned_and_keep_their_count(callers: Callers, running: Run) -> None:
    query = {"name": ["loss", "missing"], "points": 10}
    curves = callers["reader"].get(f"runs/{running.uid}/metrics/series/", query).json()
    assert set(curves) == {"loss"}
    curve = curves["loss"]
    assert curve["count"] == 20
    assert len(curve["steps"]) == len(curve["times"]) == len(curve["values"]) <= 20
    assert (curve["steps"][0], curve["steps"][-1]) == (0, 19)


def test_what_is_not_finite_is_told_by_name(callers: Callers, run: Run) -> None:
    records = [{"t": 1.0, "k": "scalar", "n": "x", "v": None, "x": word} for word in ("nan", "inf", "-inf")]
    assert callers["contributor"].post(f"runs/{run.uid}/metrics/", {"records": records}).status_code == 204
    curve = callers["reader"].get(f"runs/{run.uid}/metrics/series/", {"name": "x"}).json()["x"]
    assert curve["values"] == ["NaN", "Infinity", "-Infinity"]
    assert callers["reader"].get(f"runs/{run.uid}/").json()["metrics"] == {"x": "-Infinity"}


def test_other_values_come_in_the_order_of_logging(callers: Callers, run: Run) -> None:
    records = [{"t": float(at), "k": "text", "n": "note", "v": f"text {at}"} for at in range(3)]
    services.log_metrics(run, records, by=run.created_by)
    rows = callers["reader"].get(f"runs/{run.uid}/values/").json()["results"]
    assert [(row["kind"], row["value"]) for row in rows] == [("text", f"text {at}") for at in range(3)]


def test_the_view_of_sdk_v1(callers: Callers, running: Run) -> None:
    metrics = callers["reader"].get(f"runs/{running.uid}/metrics/azure/").json()
    assert metrics["kernel"] == "linear"
    assert len(metrics["loss"]) == 20


@pytest.mark.parametrize(
    "records",
    [
        [{"t": 1.0, "k": "scalar", "n": "ok", "v": 1}, {"k": "scalar", "n": "bad"}],
        [{"k": "unknown"}],
        ["text"],
        "text",
        [[]],
    ],
)
def test_a_batch_is_stored_whole_or_not_at_all(callers: Callers, run: Run, records: Any) -> None:
    answer = callers["owner"].post(f"runs/{run.uid}/metrics/", {"records": records})
    assert answer.status_code == 400
    error_of(answer)
    assert not run.metrics.exists()


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 204), ("contributor", 204), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may_log(callers: Callers, run: Run, role: str, status: int) -> None:
    records = [{"t": 1.0, "k": "scalar", "n": "x", "v": 1}]
    assert callers[role].post(f"runs/{run.uid}/metrics/", {"records": records}).status_code == status
    assert run.metrics.count() == (1 if status == 204 else 0)


@pytest.mark.parametrize(("role", "status"), [("reader", 200), ("stranger", 404), ("nobody", 401)])
def test_who_may_read(callers: Callers, running: Run, role: str, status: int) -> None:
    for path in ("metrics/", "metrics/series/?name=loss", "metrics/azure/", "values/"):
        assert callers[role].get(f"runs/{running.uid}/{path}").status_code == status, path


@pytest.mark.parametrize(
    "query", [{}, {"name": "a", "points": "9"}, {"name": "a", "points": "x"}, {"name": "a\0"}, {"names": "a"}]
)
def test_nonsense_about_curves_is_refused(callers: Callers, running: Run, query: dict[str, str]) -> None:
    answer = callers["owner"].get(f"runs/{running.uid}/metrics/series/", query)
    assert answer.status_code == 400
    error_of(answer)


def test_more_metrics_are_no_more_queries(callers: Callers, running: Run, django_assert_max_num_queries: Any) -> None:
    records = [{"t": 1.0, "k": "scalar", "n": f"m{at}", "v": 1} for at in range(30)]
    services.log_metrics(running, records, by=running.created_by)
    callers["reader"].get("runs/")
    for path in ("metrics/", "metrics/azure/", "", f"metrics/series/?{'&'.join(f'name=m{at}' for at in range(30))}"):
        with django_assert_max_num_queries(14):
            assert callers["reader"].get(f"runs/{running.uid}/{path}").status_code == 200
