"""The runs of a table: those that match, in order, and that few and many are looked for in other ways with one answer."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.db import connection, transaction

from experiments.models import Run
from experiments.search import Asked, BadSearch, Found, Wanted, found, walking
from mlportal.access.models import User, Workspace
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["few", "many"])
def runs(request: pytest.FixtureRequest, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> Any:
    """a to e, read as a small table is and, with nothing counted as few, as a large one is."""
    if request.param == "many":
        monkeypatch.setattr(found, "FEW", 0)
    make_run(name="a", metrics={"loss": (0.1, 0.3, 0.9)}, params={"kernel": "rbf", "C": "1"}, tags={"team": "x"})
    make_run(name="b", metrics={"loss": (0.2, 0.2, 0.4)}, params={"kernel": "linear"}, tags={"team": "y", "note": None})
    make_run(name="c", metrics={"loss": (0.05, math.nan, 0.5)}, params={"kernel": "rbf"}, status="Failed")
    make_run(name="d", tags={"team": "x"}, started_at="2026-01-01T00:00:00Z", ended_at="2026-01-01T00:01:30Z")
    make_run(name="e", metrics={"loss": (0.3, 0.4, 0.5)}, params={"kernel": "poly " + "y" * 300}, tags={"team": ""})
    return Run.objects.all()


def names(runs: Any, text: str = "", *orders: str, start: int = 0, stop: int | None = None) -> str:
    keys = Found(runs, Wanted(text, "", orders)).keys(start, stop)
    by_key = dict(Run.objects.values_list("pk", "name"))
    return "".join(by_key[key] for key in keys)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.loss < 0.35 and (params.kernel = 'rbf' or tags.team = 'y')", "ba"),
        ("metrics.loss != 0.3", "ecb"),
        ("min(metrics.loss) < 0.15", "ca"),
        ("MAX(metrics.`loss`) >= 0.5 AND NOT best(metrics.loss) < 0.06", "ea"),
        ("params.kernel LIKE 'r%'", "ca"),
        ("params.kernel LIKE 'R%'", ""),
        ("params.kernel ILIKE 'R_F'", "ca"),
        ("tags.team ILIKE '%X'", "da"),
        (f"params.kernel = 'poly {'y' * 300}'", "e"),
        (f"params.kernel = 'poly {'y' * 299}'", ""),
        ("params.C IS NULL", "edcb"),
        ("tags.note IS NOT NULL", "b"),
        ("tags.team != 'x'", "eb"),
        ("status = 'FAILED' or status = 'Failed'", "c"),
        ("status != 'Failed'", "edba"),
        ("status != 'FAILED' and status in ('Completed')", "edba"),
        ("user = 'olga' and name = 'a'", "a"),
        ("user != 'olga'", ""),
        ("number >= 4", "ed"),
        ("duration = 90", "d"),
        ("start_time < '2026-02-01'", "d"),
        ("start_time = '2026-01-01' and end_time = '2026-01-01 00:01:30'", "d"),
        ("start_time > '2026-01-01'", "ecba"),
        ("created_at >= '-1h'", "edcba"),
        ("experiment = 'iris' and script LIKE 'train%'", "edcba"),
        ("target = 'local'", ""),
        ("environment LIKE '%'", ""),
        ("rbf", "ca"),
        ("RB", "ca"),
        ("r%f", ""),
        ("r_f", ""),
        ("r\\bf", ""),
        ("olga", "edcba"),
        ("#2", "b"),
        ("nothing at all", ""),
    ],
)
def test_runs_that_match(runs: Any, text: str, expected: str) -> None:
    assert names(runs, text) == expected
    assert Found(runs, Wanted(text)).exact_count() == len(expected)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("metrics.loss", "baecd"),
        ("metrics.loss DESC", "eabcd"),
        ("min(metrics.loss)", "cabed"),
        ("max(metrics.loss) DESC", "aecbd"),
        ("best(metrics.loss)", "cabed"),
        ("metrics.nothing", "edcba"),
        ("params.kernel", "beacd"),
        ("tags.note", "edcba"),
        ("name", "abcde"),
        ("number DESC", "edcba"),
        ("duration", "dcbae"),
        ("created", "deabc"),
    ],
)
def test_what_has_no_value_comes_last(runs: Any, order: str, expected: str) -> None:
    found = names(runs, "", order)
    # Of those that tie, which one comes first is not promised.
    ties = {"params.kernel": ("beac", "beca"), "duration": ("d",), "created": ("d",)}
    if order in ties:
        assert found.startswith(ties[order]) and sorted(found) == list("abcde")
    elif order == "max(metrics.loss) DESC":
        assert found in ("aecbd", "acebd")
    else:
        assert found == expected


def test_pages_put_together_are_the_whole(runs: Any) -> None:
    for order in (
        "metrics.loss DESC",
        "params.kernel",
        "tags.team DESC",
        "name",
        "duration DESC",
        "start_time",
        "status",
    ):
        whole = names(runs, "", order)
        for size in (1, 2, 3):
            assert "".join(names(runs, "", order, start=at, stop=at + size) for at in range(0, 6, size)) == whole


def test_several_keys_order_one_after_the_other(runs: Any) -> None:
    assert names(runs, "", "tags.team DESC", "name DESC") == "bdaec"


@pytest.mark.parametrize(
    "text",
    [
        "metrics.loss <",
        "metrics.loss < 'a'",
        "median(metrics.loss) < 1",
        "max(params.kernel) = 'a'",
        "min(" * 3000 + "metrics.loss",
        "start_time > 'yesterday'",
        "start_time > '-9999999d'",
        "start_time > '0000-00-00'",
        "lr = 0.1",
        "params.kernel = rbf",
        "password LIKE '%'",
    ],
)
def test_what_is_no_search_is_refused(runs: Any, text: str) -> None:
    with pytest.raises(BadSearch):
        Asked.of({"q": [text]})


@pytest.mark.parametrize(
    "query",
    [
        {"c": ["nothing.x"]},
        {"c": ["password"]},
        {"c": ["labels"] * 101},
        {"c": ["metrics." + "x" * 600]},
        {"sort": ["created_by__password"]},
        {"sort": ["name", "run_name DESC"]},
        {"group": ["metrics.loss"]},
        {"group": ["uid"]},
        {"q": ["a", "b"]},
        {"q": ["a\0"]},
    ],
)
def test_what_no_table_has_is_refused(query: dict[str, list[str]]) -> None:
    with pytest.raises(BadSearch):
        Asked.of(query)


def test_a_field_as_a_text_is_read_as_itself() -> None:
    texts = ["metrics.loss", "max(metrics.`val loss`)", "params.`a``b`", "tags.mlflow.user", "params.`x(y`", "duration"]
    for text in texts:
        assert [str(column) for column in Asked.of({"c": [text]}).columns] == [text]


def test_plain_words_are_no_search(owner: User) -> None:
    for text in ("iris", "trained in may", "the best run", "team/churn", "a-b_c #3", "status", "like this"):
        assert Wanted(text).condition is None


def test_tables_read_the_index_that_is_made_for_them_and_no_row(
    make_run: MakeRun, workspace: Workspace, owner: User
) -> None:
    """A column that `visible_to` asks for and the index lacks makes every table three times as slow."""
    run = make_run()
    shown = Run.objects.kept().visible_to(owner, workspace).filter(experiment=run.experiment, parent=None)
    for wanted in (shown.filter(status="Failed"), shown.order_by("name", "-pk"), shown.order_by("-pk")):
        if connection.vendor == "sqlite":
            plan = wanted.values("pk").explain()
            assert "COVERING INDEX runs_in_tables" in plan, plan
            continue
        with transaction.atomic(), connection.cursor() as cursor:  # of one row the table would be read
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")
            plan = wanted.values("pk").explain()
        assert (
            "Index Only Scan using runs_in_tables" in plan or "Index Only Scan Backward using runs_in_tables" in plan
        ), plan


def test_what_is_far_from_the_beginning_of_an_order_is_found(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found, "FEW", 0)
    monkeypatch.setattr(walking, "FIRST", 2)
    monkeypatch.setattr(walking, "LOOKED_AT", 4)
    for number in range(8):
        kernel = "rbf" if number > 5 else "poly"
        make_run(
            name=str(number),
            metrics={"loss": (0, number, 9)},
            params={"kernel": kernel},
            tags={"place": f"{number}"},
            started_at=f"2026-01-0{number + 1}T00:00:00Z",
            ended_at=f"2026-02-{10 + 2 * number}T00:00:00Z",
        )
    for order in ("metrics.loss", "tags.place", "name", "number", "start_time", "duration"):
        assert names(Run.objects.all(), "params.kernel = 'rbf'", order, stop=2) == "67"
        assert names(Run.objects.all(), "params.kernel = 'poly'", order, stop=2) == "01"
    assert names(Run.objects.all(), "metrics.loss > 5", "metrics.loss", stop=2) == "67"
