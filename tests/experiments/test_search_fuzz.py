"""Whatever is typed over a table of runs finds runs or is refused with one error, and few and many are found alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.models import Run
from experiments.search import BadSearch, Found, Wanted, found
from experiments.search.grammar import Field, parse_field
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db
KINDS = ("attribute", "dataset", "metric", "param", "tag")

NAMES = """metrics.loss min(metrics.loss) best(metrics.`a-b`) params.kernel tags.team tags.mlflow.runName tags.mlflow.parentRunId
status user name duration number start_time created script environment target parent run_id experiment artifact_uri dataset.name
nothing datasets.x"""
names = st.sampled_from(NAMES.split())
signs = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"])
values = st.one_of(
    st.sampled_from(
        ["'rbf'", "'%'", "'x'", "'-7d'", "'2026-01-01'", "'-999999999w'", "('a', 'b')", "()", "0.2", "1e999"]
    ),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=8).map(lambda text: "'" + text.replace("'", "''") + "'"),
)
comparisons = st.builds(
    lambda name, sign, value: f"{name} {sign}" if sign.startswith("IS") else f"{name} {sign} {value}",
    names,
    signs,
    values,
)
searches = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(lambda one: f"NOT {one}"),
        inner.map(lambda one: f"({one})"),
        st.builds(lambda one, sign, other: f"{one} {sign} {other}", inner, st.sampled_from(["AND", "or"]), inner),
    ),
    max_leaves=5,
)
pieces = st.lists(
    st.one_of(names, signs, values, st.sampled_from(["(", ")", "AND", "`", "'", '"', "."]), st.text(max_size=4))
)
orders = st.builds(lambda name, direction: f"{name}{direction}", names, st.sampled_from(["", " DESC", " ASC"]))


@pytest.fixture
def runs(make_run: MakeRun) -> Any:
    parent = make_run(
        name="a", metrics={"loss": (0.1, 0.3, 0.9), "a-b": 1}, params={"kernel": "rbf"}, tags={"team": "x"}
    )
    make_run(name="b", metrics={"loss": 0.2}, tags={"team": None}, parent=parent)
    make_run(name="c", status="Failed", params={"kernel": "rbf"})
    return Run.objects.all()


def keys_of(runs: Any, wanted: Wanted) -> list[int] | None:
    """None: refused."""
    try:
        wanted.check()
    except BadSearch:
        return None
    return Found(runs, wanted).keys(0, 2)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=searches, order=st.lists(orders, max_size=1))
def test_a_search_finds_the_same_among_few_and_among_many(runs: Any, text: str, order: list[str]) -> None:
    wanted = Wanted(text.replace("\0", ""), "", tuple(order), is_search=True)
    among_few = keys_of(runs, wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(found, "FEW", 0)
        among_many = keys_of(runs, wanted)
    if not order:  # of runs that tie, which comes first is not promised
        assert among_few == among_many
    else:
        assert (among_few is None) == (among_many is None) and len(among_few or ()) == len(among_many or ())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=pieces)
def test_what_is_no_search_is_refused(runs: Any, parts: list[str]) -> None:
    text = " ".join(parts).replace("\0", "")
    for is_search in (True, None):
        keys = keys_of(runs, Wanted(text, is_search=is_search))
        assert keys is None or set(keys) <= {run.pk for run in runs}


@given(
    kind=st.sampled_from(["metric", "param", "tag"]),
    key=st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30),
)
def test_a_field_is_read_as_it_is_written(kind: str, key: str) -> None:
    assert parse_field(str(Field(kind, key)), KINDS) == Field(kind, key)
