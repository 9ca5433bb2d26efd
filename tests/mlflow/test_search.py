"""The language of searches, over runs and experiments as they are in the database."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mlflow.conftest import Mlflow, refused

RUNS: dict[str, dict[str, Any]] = {
    "a": {"metrics": {"loss": 0.1, "val loss": 1.0}, "params": {"kernel": "rbf", "C": "1"}, "tags": {"team": "Blue"}},
    "b": {"metrics": {"loss": 0.2}, "params": {"kernel": "linear"}, "tags": {"team": "blue", "x.y": "it's"}},
    "c": {"metrics": {"loss": "NaN", "val loss": "Infinity"}, "params": {"kernel": "RBF"}, "tags": {}},
    "d": {"metrics": {}, "params": {}, "tags": {"team": "50%_[x]*"}},
}
START = 1_700_000_000_000


@pytest.fixture(scope="module")
def experiment(api: Mlflow) -> str:
    made = api.experiment()
    for number, (name, logged) in enumerate(RUNS.items()):
        run = api.new_run(made, run_name=name, start_time=START + number)
        api.post(
            "runs/log-batch",
            run_id=run,
            metrics=[
                {"key": key, "value": value, "timestamp": 1, "step": 0} for key, value in logged["metrics"].items()
            ],
            params=[{"key": key, "value": value} for key, value in logged["params"].items()],
            tags=[{"key": key, "value": value} for key, value in logged["tags"].items()],
        )
        if name == "a":
            api.post("runs/log-inputs", run_id=run, datasets=[
                {"dataset": {"name": "iris", "digest": "d1"}, "tags": [{"key": "mlflow.data.context", "value": "train"}]}
            ])  # fmt: skip
            api.post("runs/update", run_id=run, status="FINISHED", end_time=START + 1000)
            api.new_run(
                made, run_name="child", start_time=START - 1, tags=[{"key": "mlflow.parentRunId", "value": run}]
            )
    return made


def names(api: Mlflow, experiment: str, search: str = "", **more: Any) -> str:
    found = api.post("runs/search", experiment_ids=[experiment], filter=search, **more).get("runs", [])
    return " ".join(run["info"]["run_name"] for run in found)


FILTERS = {
    "metrics.loss < 0.15": "a",
    "metrics.loss != 0.1": "c b",
    "metric.`val loss` >= 1": "c a",
    'metrics."val loss" > 1e300': "c",
    "params.kernel = 'rbf'": "a",
    "params.kernel LIKE 'r%'": "a",
    "params.kernel ilike 'r%'": "c a",
    "parameters.kernel != 'rbf'": "c b",
    "params.C IS NULL": "d c b child",
    "param.C is not null": "a",
    'tags.team = "blue"': "b",
    "tags.team ILIKE 'BLUE'": "b a",
    "tags.`x.y` = 'it''s'": "b",
    "tags.x.y = 'it''s'": "b",
    "tags.team LIKE '50%_[x]*'": "d",
    "tags.team LIKE '[5]%'": "",
    "tags.mlflow.runName = 'b'": "b",
    "tags.mlflow.parentRunId IS NOT NULL": "child",
    "tags.mlflow.parentRunId IS NULL and metrics.loss > 0": "b a",
    "attributes.status = 'FINISHED'": "a",
    "status != 'FINISHED' and run_name LIKE '_'": "d c b",
    "attr.run_name IN ('a')": None,
    "attributes.run_id IN ('x', 'y')": "",
    "attributes.run_id NOT IN ('x') AND run_name = 'a'": "a",
    f"attributes.start_time > {START + 1}": "d c",
    f"start_time <= {START}": "a child",
    f"created = {START + 2}": "c",
    f"attributes.end_time >= {START}": "a",
    "attributes.end_time != 5": "a",
    "user_id = 'admin' AND run_name = 'd'": "d",
    "attributes.artifact_uri LIKE 'mlflow-artifacts:/%' AND run_name = 'd'": "d",
    "`run name` = 'd'": "d",
    "datasets.name = 'iris' AND dataset.context LIKE 'tr%'": "a",
    "datasets.digest IN ('d1', 'd2')": "a",
    # What MLflow does not have
    "metrics.loss < 0.15 OR (tags.team = 'blue' AND params.kernel = 'linear')": "b a",
    "NOT (metrics.loss < 0.15 OR tags.team = 'blue') AND NOT run_name = 'child'": "d c",
    "metrics.loss < 0.15 OR metrics.loss < 0.25 AND params.kernel = 'x'": "a",
    "": "d c b a child",
}


def test_an_order_has_a_limit(api: Mlflow) -> None:
    refused(api.send("runs/search", experiment_ids=["0"], order_by=[f"metrics.m{n}" for n in range(70)]))


@pytest.mark.parametrize("search", FILTERS)
def test_runs_that_match(api: Mlflow, experiment: str, search: str) -> None:
    expected = FILTERS[search]
    if expected is None:
        refused(api.send("runs/search", experiment_ids=[experiment], filter=search))
    else:
        assert names(api, experiment, search) == expected


ORDERS = {
    ("metrics.loss",): "a b c d child",
    ("metrics.loss DESC",): "b a c d child",
    ("metrics.`val loss` desc", "start_time ASC"): "c a child b d",
    ("params.kernel ASC",): "c b a d child",
    ("tags.team DESC", "run_name"): "b a d c child",
    ("attributes.run_name DESC",): "d child c b a",
    ("attributes.end_time",): "a d c b child",
    ("status", "start_time"): "a child b c d",
    ("Created ASC",): "child a b c d",
}


@pytest.mark.parametrize("order", ORDERS)
def test_runs_in_order(api: Mlflow, experiment: str, order: tuple[str, ...]) -> None:
    assert names(api, experiment, order_by=list(order)) == ORDERS[order]


def test_pages_go_on_where_the_last_ended(api: Mlflow, experiment: str) -> None:
    found: list[str] = []
    token = ""
    while True:
        page = api.post(
            "runs/search", experiment_ids=[experiment], order_by=["metrics.loss"], max_results=2, page_token=token
        )
        found += [run["info"]["run_name"] for run in page["runs"]]
        if not (token := page.get("next_page_token", "")):
            break
    assert found == ["a", "b", "c", "d", "child"]
    for bad in ("x", "e30=", "####"):
        refused(api.send("runs/search", experiment_ids=[experiment], page_token=bad))
    for most in (0, -1, 50_001, "many"):
        refused(api.send("runs/search", experiment_ids=[experiment], max_results=most))


HOSTILE = [
    "metrics.loss >",
    "metrics.loss > 'a'",
    "params.kernel = 3",
    "params.kernel > 'a'",
    "params.kernel = rbf",
    "metrics.loss LIKE 'a'",
    "metrics.loss IS NULL",
    "status IS NULL",
    "attributes.password = 'x'",
    "created_by__password LIKE 'p%'",
    "user.password = 'x'",
    "datasets.source = 'x'",
    "tags.team = 'x",
    "tags.team = 'x' tags.team = 'x'",
    "tags.team = 'x' AND",
    "AND tags.team = 'x'",
    "tags.team = 'x'; DROP TABLE experiments_run",
    "tags.team = 'x' -- y",
    "tags.team = 'x' UNION SELECT 1",
    "1 = 1",
    "'a' = 'a' = 'a'",
    "tags.team == 'x'",
    "tags. = 'x'",
    "tags.`` ",
    "((((tags.team = 'x'",
    "(" * 5000 + "status = 'x'" + ")" * 5000,
    "NOT " * 5000 + "status = 'x'",
    " AND ".join(["status = 'x'"] * 101),
    "run_id IN ()",
    "run_id IN ('a',)",
    "run_id IN (" + ",".join(["'a'"] * 10_001) + ")",
    "tags.team = '" + "x" * 600_000 + "'",
    "tags.team = 'a\0b'",
    "\ufeff",
    "metrics.loss > 1e",
    "metrics.loss > 0x10",
]


@pytest.mark.parametrize("search", HOSTILE, ids=lambda text: text[:30].encode("unicode_escape").decode())
def test_what_is_no_search_is_refused(api: Mlflow, experiment: str, search: str) -> None:
    refused(api.send("runs/search", experiment_ids=[experiment], filter=search))


@pytest.mark.parametrize(
    "order", ["metrics.loss UP", "metrics.loss DESC, status", "password", "created_by__password", "", "(", "1"]
)
def test_what_is_no_order_is_refused(api: Mlflow, experiment: str, order: str) -> None:
    refused(api.send("runs/search", experiment_ids=[experiment], order_by=[order]))
    refused(api.send("runs/search", experiment_ids=[experiment], order_by=["metrics.loss", "metric.loss DESC"]))


def test_odd_numbers_are_numbers(api: Mlflow, experiment: str) -> None:
    assert names(api, experiment, "metrics.loss < 1e999") == "b a"
    assert names(api, experiment, f"start_time < {10**300} and run_name = 'a'") == "a"
    assert names(api, experiment, "start_time > -1e300 and run_name = 'a'") == "a"
    assert names(api, experiment, "metrics.loss > -" + "9" * 390) == "b a"


def test_deleted_runs_are_found_by_who_asks_for_them(api: Mlflow) -> None:
    experiment = api.experiment()
    kept, gone = (api.new_run(experiment, run_name=name) for name in ("kept", "gone"))
    api.post("runs/delete", run_id=gone)
    for view, expected in (("ACTIVE_ONLY", "kept"), ("DELETED_ONLY", "gone"), (3, "gone kept")):
        assert sorted(names(api, experiment, run_view_type=view).split()) == expected.split()
    refused(api.send("runs/search", experiment_ids=[experiment], run_view_type="SOME"))
    api.post("experiments/delete", experiment_id=experiment)
    assert names(api, experiment) == ""
    assert api.run(kept)["info"]["lifecycle_stage"] == "deleted"


def test_experiments_that_match(api: Mlflow) -> None:
    made = [
        api.post("experiments/create", name=f"Find me/{n}", tags=[{"key": "n", "value": n}])["experiment_id"]
        for n in "ab"
    ]

    def found(search: str, **more: Any) -> list[str]:
        page = api.post("experiments/search", filter=search, **more)
        return [experiment["experiment_id"] for experiment in page.get("experiments", [])]

    assert found("name LIKE 'Find me/_'") == made[::-1]
    assert found("name LIKE 'find me/%'") == []
    assert found("attribute.name ILIKE 'find me/%'", order_by=["name ASC"]) == made
    assert found("tags.n = 'a' OR tags.n = 'b'", order_by=["experiment_id"], max_results=1) == made[:1]
    assert found("tags.n IS NOT NULL AND NOT name = 'Find me/a'") == made[1:]
    assert "0" in found("")
    api.post("experiments/delete", experiment_id=made[0])
    assert found("tags.n = 'a'") == [] and found("tags.n = 'a'", view_type="DELETED_ONLY") == made[:1]
    for bad in ("name > 'a'", "metrics.a = 1", "name = 3", "creation_time = 'x'", "owner = 'x'", "name LIKE"):
        refused(api.send("experiments/search", filter=bad))
    refused(api.send("experiments/search", order_by=["tags.n"]))
