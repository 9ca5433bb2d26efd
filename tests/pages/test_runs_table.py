"""The table of runs: what its address asks for, what it says of a wrong search, and that it goes on while runs do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from experiments.models import Run
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db
IRIS = "/w/lab/experiments/iris/"
AS_FORM = {"HX-Request": "true", "HX-Trigger": "runs-form"}


@pytest.fixture(autouse=True)
def signed_in(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)


@pytest.fixture
def runs(make_run: MakeRun) -> list[Run]:
    return [
        make_run(metrics={"loss": (0.1, 0.3, 0.9)}, params={"kernel": "rbf"}, tags={"team": "x"}),
        make_run(metrics={"loss": (0.2, 0.2, 0.2)}, params={"kernel": "poly"}, tags={"team": "x"}),
        make_run(metrics={"loss": (0.0, 0.9, 0.9)}, params={"kernel": "rbf"}, status="Failed"),
    ]


def table(client: Client, address: str = IRIS, **query: Any) -> str:
    answer = client.get(address, query, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return answer.content.decode()


def numbers(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'<span class="text-secondary">#(\d+)</span>', html)]


def heads(html: str) -> list[str]:
    return re.findall(r'<a class="sort[^"]*" [^>]*title="([^"]+)"', html)


def test_the_box_takes_a_search(client: Client, runs: list[Run]) -> None:
    assert numbers(table(client, q="metrics.loss < 0.5 and (params.kernel = 'rbf' or tags.team = 'y')")) == [1]
    assert numbers(table(client, q="status = 'FAILED'")) == [3]
    assert "Nothing found" in table(client, q="metrics.loss > 5")


def test_a_wrong_search_is_said_beside_the_box_and_the_table_stays(client: Client, runs: list[Run]) -> None:
    answer = client.get(IRIS, {"q": "metrics.loss < "}, headers=AS_FORM)
    assert answer.status_code == 200
    assert answer["HX-Reswap"] == "none" and answer["HX-Push-Url"] == "false"
    assert 'hx-swap-oob="true"' in answer.content.decode() and "the end at character 15" in answer.content.decode()
    assert 'id="runs"' not in answer.content.decode()
    page = client.get(IRIS, {"q": "metrics.loss < "}).content.decode()
    assert "the end at character 15" in page and 'value="metrics.loss &lt; "' in page
    assert numbers(page) == [3, 2, 1]
    mended = client.get(IRIS, {"q": "metrics.loss < 1"}, headers=AS_FORM).content.decode()
    assert 'id="search-error"' in mended and "data-error-code" not in mended


@pytest.mark.parametrize(
    "query", [{"sort": "password"}, {"c": "user.password"}, {"group": "metrics.loss"}, {"sort": ["name"] * 9}]
)
def test_what_no_table_has_is_said_and_left_out(client: Client, runs: list[Run], query: dict[str, Any]) -> None:
    page = client.get(IRIS, query).content.decode()
    assert "data-error-code" in page
    assert numbers(page) == [3, 2, 1]


def test_an_address_of_nonsense_is_a_page(client: Client, runs: list[Run]) -> None:
    for query in ("q=" + "(" * 5000, "page=99999999", "page=-1", "parent=x", "c=%60&c=", "sort=%ff"):
        assert client.get(f"{IRIS}?{query}").status_code == 200


def test_names_that_there_are_help_to_search(client: Client, runs: list[Run]) -> None:
    page = client.get(IRIS).content.decode()
    for name in ("metrics.loss", "params.kernel", "tags.team", "duration", "user_id"):
        assert f'data-insert="{name}"' in page


def test_all_runs_of_the_workspace_are_on_one_page(
    client: Client, owner: User, runs: list[Run], make_run: MakeRun
) -> None:
    make_run("boosting", metrics={"loss": 0.4})
    make_run("secret", workspace=create_workspace("other", by=owner), name="not-here")
    html = table(client, "/w/lab/runs/")
    assert numbers(html) == [1, 3, 2, 1]
    assert "/w/lab/experiments/boosting/" in html and "not-here" not in html
    assert numbers(table(client, "/w/lab/runs/", q="experiment = 'boosting'")) == [1]
    assert table(client, "/w/lab/runs/", sort="metrics.loss").index("0.2") > 0


def test_a_stranger_sees_no_table(client: Client, runs: list[Run], stranger: User) -> None:
    client.force_login(stranger)
    assert client.get(IRIS).status_code == 404
    assert client.get("/w/lab/runs/").status_code == 404


def test_columns_are_chosen_by_the_address(client: Client, runs: list[Run]) -> None:
    html = table(
        client, c=["params.kernel", "max(metrics.loss)", "tags.team", "duration"], sort="max(metrics.loss) DESC"
    )
    assert heads(html)[2:] == ["kernel", "loss: max", "team", "Duration"]
    assert 'aria-sort="descending"' in html and "Parameters, tags" not in html
    assert re.findall(r'<td class="value">([^<]*)</td>', html) == ["0.9", "0.9", "0.2"]
    page = client.get(IRIS, {"c": ["params.kernel", "min(metrics.gone)"]}).content.decode()
    assert 'value="params.kernel" checked' in page
    assert '<option value="min(metrics.gone)" selected>' in page


def test_a_click_on_a_head_begins_with_the_best_and_turns_round(client: Client, runs: list[Run]) -> None:
    def link(label: str, **query: Any) -> str:
        found = re.search(rf'href="([^"]*)" title="{label}"', table(client, **query))
        assert found
        return found[1]

    assert link("loss") == "?sort=metrics.loss"  # the less the better
    assert link("loss", sort="metrics.loss") == "?sort=metrics.loss+DESC"
    assert link("loss", sort="metrics.loss DESC", page="1") == "?"
    assert link("auc", c="metrics.auc") == "?c=metrics.auc&amp;sort=metrics.auc+DESC"
    assert numbers(table(client, sort="metrics.loss")) == [2, 1, 3]


def test_of_columns_that_do_not_differ_none_is_shown(client: Client, runs: list[Run], make_run: MakeRun) -> None:
    html = table(client, differ="1", q="status = 'Completed'")
    assert heads(html)[2:] == ["loss", "kernel"]  # the team is the same
    html = table(client, differ="1", c=["tags.team", "script", "user_id"])
    assert heads(html)[2:] == ["team"]


def test_values_are_text_whatever_they_hold(client: Client, make_run: MakeRun) -> None:
    make_run(params={"<b>x</b>": "<script>alert(1)</script>" * 9}, tags={'"quoted"': "'"}, name="<i>")
    for query in ({}, {"c": ["params.`<b>x</b>`", 'tags.`"quoted"`']}, {"differ": "1"}):
        page = client.get(IRIS, query).content.decode()
        assert "<b>x" not in page and "<script>alert" not in page and "<i>" not in page


def test_chosen_runs_are_acted_on_and_the_result_is_told(client: Client, runs: list[Run], make_run: MakeRun) -> None:
    goes_on = make_run(status="Running", ended_at=None)
    form = {"action": "cancel", "run": [runs[0].uid, goes_on.uid], "back": f"{IRIS}?sort=name"}
    answer = client.post("/w/lab/runs/bulk/", form, follow=True)
    assert answer.redirect_chain == [(f"{IRIS}?sort=name", 302)]
    html = answer.content.decode()
    assert "1 run is canceled." in html
    assert "1 run could not be canceled. iris #1: The run is completed already." in html


def test_all_that_match_are_those_of_the_address(client: Client, runs: list[Run], make_run: MakeRun) -> None:
    make_run("other", tags={"team": "x"})
    form = {"action": "tag", "tag": "seen", "value": "yes", "all": "1", "query": "q=tags.team+%3D+%27x%27"}
    client.post("/w/lab/runs/bulk/", {**form, "experiment": "iris"})
    assert set(Run.objects.filter(tags__name="seen")) == set(runs[:2])
    wrong = client.post("/w/lab/runs/bulk/", {**form, "action": "trash", "query": "q=metrics.loss+%3C"}, follow=True)
    assert "has to stand" in wrong.content.decode()
    assert Run.objects.kept().count() == 4


def test_runs_are_moved_by_the_page(client: Client, runs: list[Run]) -> None:
    form = {"action": "move", "to": "elsewhere", "run": [runs[0].uid], "back": "//evil.example/"}
    answer = client.post("/w/lab/runs/bulk/", form, follow=True)
    assert answer.redirect_chain == [("/w/lab/runs/", 302)]
    assert "1 run is moved to elsewhere." in answer.content.decode()
    assert numbers(table(client, "/w/lab/experiments/elsewhere/")) == [1]


def test_who_puts_runs_in_the_trash_is_asked_about_their_children(client: Client, runs: list[Run]) -> None:
    assert "nor are their children" in client.get(IRIS).content.decode()


def test_readers_choose_only_to_compare(client: Client, runs: list[Run], reader: User) -> None:
    client.force_login(reader)
    page = client.get(IRIS).content.decode()
    assert "data-compare" in page and 'value="trash"' not in page
    answer = client.post("/w/lab/runs/bulk/", {"action": "trash", "run": runs[0].uid}, follow=True)
    assert "you are reader" in answer.content.decode()
    assert Run.objects.kept().count() == 3


def test_groups_have_counts_and_what_their_metrics_come_to(client: Client, runs: list[Run], make_run: MakeRun) -> None:
    make_run()
    html = table(client, group="params.kernel")
    found = re.findall(r'class="group-name">([^<]*)</span></a> <span[^>]*>([^<]*)</span>', html)
    assert found == [("rbf", "2 runs"), ("poly", "1 run"), ("none", "1 run")]
    assert re.search(r"0\.6<div[^>]*>0\.3 to 0\.9</div>", html)
    assert not numbers(html)
    assert numbers(table(client, group="params.kernel", open="=rbf", sort="metrics.loss")) == [1, 3]
    assert numbers(table(client, group="params.kernel", open=["=poly", "none", "=gone"])) == [2, 4]
    assert numbers(table(client, group="params.kernel", only="=rbf")) == [3, 1]
    assert numbers(table(client, group="params.kernel", only="none")) == [4]
    assert "max: " not in html and "0.9" in table(client, group="tags.team", c="max(metrics.loss)")


@pytest.mark.parametrize(
    ("group", "value", "expected"),
    [
        ("status", "=Failed", [3]),
        ("user", "=olga", [3, 2, 1]),
        ("environment", "none", [3, 2, 1]),
        ("environment", "=1", []),
        ("script", "=train.py", [3, 2, 1]),
        ("tags.team", "none", [3]),
    ],
)
def test_runs_are_grouped_by_what_they_have(
    client: Client, runs: list[Run], group: str, value: str, expected: list[int]
) -> None:
    assert "group-name" in table(client, group=group)
    assert numbers(table(client, group=group, only=value)) == expected


def test_a_group_that_is_none_is_said(client: Client, runs: list[Run]) -> None:
    for group, value in (("environment", "=x"), ("environment", "=" + "9" * 30), ("status", "Failed")):
        assert "There is no group" in client.get(IRIS, {"group": group, "only": value}).content.decode()


@pytest.mark.parametrize("query", [{}, {"group": "params.kernel"}, {"sort": "metrics.loss", "q": "metrics.loss > 0"}])
def test_a_table_is_drawn_anew_only_when_something_changed(
    client: Client, runs: list[Run], query: dict[str, str], make_run: MakeRun
) -> None:
    state = re.search(r"known=(\w+)", table(client, **query))
    assert state
    known = {**query, "known": state[1]}
    assert client.get(IRIS, known, headers={"HX-Request": "true"}).status_code == 204
    make_run(metrics={"loss": 0.7}, params={"kernel": "rbf"})
    assert client.get(IRIS, known, headers={"HX-Request": "true"}).status_code == 200
