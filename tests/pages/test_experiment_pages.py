"""Overview, experiments, one experiment, compute."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from experiments.models import ComputeTarget, Parameter, Run, Tag
from experiments.services.compute import ensure_local_target, report_node
from experiments.views.table.cells import chips_of
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from tests.conftest import MakeRun


def numbers(html: str) -> list[int]:
    """The runs of the experiment's table, in its order."""
    return [int(number) for number in re.findall(r'<span class="text-secondary">#(\d+)</span>', html)]


def test_an_empty_workspace_shows_the_first_steps_and_their_files(
    client: Client, workspace: Workspace, owner: User
) -> None:
    client.force_login(owner)
    html = client.get("/w/lab/").content.decode()
    assert "First steps" in html
    links = re.findall(r'href="(/w/lab/examples/[^"]+)"', html)
    assert len(links) == 2
    for link in links:
        response = client.get(link)
        assert response.status_code == 200
        assert response["Content-Disposition"].startswith("attachment")
        assert b"".join(response)
    assert client.get("/w/lab/examples/../../manage.py").status_code == 404
    assert client.get("/w/lab/examples/README.md").status_code == 404


def test_the_overview_tells_what_runs_from_what_ran(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    for _ in range(4):
        make_run()
    make_run("boosting", status="Running", started_at=timezone.now(), ended_at=None)
    client.force_login(owner)
    html = client.get("/w/lab/").content.decode()
    now, _, latest = html.partition("Latest runs")
    assert "boosting #1" in now
    assert "boosting #1" not in latest
    assert "iris #4" in latest
    assert "First steps" not in html


def test_runs_in_the_trash_are_not_counted(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    for _ in range(3):
        make_run()
    make_run()
    Run.objects.filter(number__gt=2).update(deleted_at=timezone.now())
    client.force_login(owner)
    assert '<td class="value">2</td>' in client.get("/w/lab/experiments/").content.decode()
    assert "Delete the experiment" not in client.get("/w/lab/experiments/iris/").content.decode()
    Run.objects.update(deleted_at=timezone.now())  # these can be restored to it
    assert "Delete the experiment" not in client.get("/w/lab/experiments/iris/").content.decode()


def test_children_do_not_push_runs_off_the_overview(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    parent = make_run(name="the sweep")
    for number in range(12):
        make_run(name=f"child {number}", parent=parent)
    client.force_login(owner)
    html = client.get("/w/lab/").content.decode()
    assert "the sweep" in html and "child 1" not in html


def test_filters_that_find_nothing_are_cleared_by_a_button(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    make_run()
    client.force_login(owner)
    html = client.get("/w/lab/experiments/iris/", {"q": "zzz", "sort": "number"}).content.decode()
    assert 'href="/w/lab/experiments/iris/?sort=number">Clear the filters' in html


def test_the_overview_is_drawn_anew_only_when_something_changed(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    run = make_run(status="Running", ended_at=None)
    client.force_login(owner)
    state = re.search(r"known=(\w+)", client.get("/w/lab/").content.decode())
    assert state
    known, as_htmx = {"known": state[1]}, {"HX-Request": "true"}
    assert client.get("/w/lab/", known, headers=as_htmx).status_code == 204
    Run.objects.filter(pk=run.pk).update(revision=run.revision + 1)
    changed = client.get("/w/lab/", known, headers=as_htmx)
    assert changed.status_code == 200
    assert "<!doctype html>" not in changed.content.decode()


def test_what_another_workspace_runs_is_not_shown(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    other = create_workspace("other", by=owner)
    make_run("secret-plans", workspace=other)
    client.force_login(owner)
    for address in ("/w/lab/", "/w/lab/experiments/"):
        assert "secret-plans" not in client.get(address).content.decode()
    assert client.get("/w/lab/experiments/secret-plans/").status_code == 404


def test_experiments_are_found_by_name(client: Client, workspace: Workspace, owner: User, make_run: MakeRun) -> None:
    make_run("iris")
    make_run("boosting")
    client.force_login(owner)
    found = client.get("/w/lab/experiments/", {"q": "BOOST"}).content.decode()
    assert "/experiments/boosting/" in found
    assert "/experiments/iris/" not in found
    assert "Nothing found" in client.get("/w/lab/experiments/", {"q": "x\ufffd"}).content.decode()


def test_the_columns_are_the_metrics_that_most_runs_have(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    for value in range(3):
        make_run(metrics={"accuracy": value / 10, "loss": float(value)})
    make_run(metrics=dict.fromkeys(("accuracy", "a", "b", "c", "d", "e"), 1.0))
    client.force_login(owner)
    html = client.get("/w/lab/experiments/iris/").content.decode()
    columns = re.findall(r'<th class="value">\s*<a class="sort[^"]*" [^>]*title="([^"]+)"', html)
    assert columns == ["accuracy", "loss", "a", "b", "c"]


def test_runs_are_filtered_by_status_text_and_number(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    make_run()
    failed = make_run(status="Failed")
    tagged = make_run()
    Tag.objects.create(run=tagged, name="stage", value="sweep")
    Parameter.objects.create(run=tagged, name="kernel", value="rbf")
    client.force_login(owner)

    def shown(**query: str) -> list[int]:
        return numbers(client.get("/w/lab/experiments/iris/", query).content.decode())

    assert shown() == [3, 2, 1]
    assert shown(status="Failed") == [failed.number]
    assert shown(status="Nonsense") == [3, 2, 1]
    assert shown(q="sweep") == shown(q="kernel") == [tagged.number]
    assert shown(q="#2") == [2]
    assert shown(q="99999999999999999999") == []


def test_runs_are_sorted_by_a_metric_with_those_that_lack_it_last(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    for value in (0.2, 0.9, 0.5):
        make_run(metrics={"accuracy": value})
    make_run()
    client.force_login(owner)

    def order(sort: str) -> list[int]:
        return numbers(client.get("/w/lab/experiments/iris/", {"sort": sort}).content.decode())

    assert order("metrics.accuracy DESC") == [2, 3, 1, 4]
    assert order("metrics.accuracy") == [1, 3, 2, 4]
    assert order("metrics.nothing") == order("") == [4, 3, 2, 1]


def test_a_page_has_fifty_runs(client: Client, workspace: Workspace, owner: User, make_run: MakeRun) -> None:
    for _ in range(51):
        make_run()
    client.force_login(owner)
    address = "/w/lab/experiments/iris/"
    assert len(numbers(client.get(address).content.decode())) == 50
    assert numbers(client.get(address, {"page": "2"}).content.decode()) == [1]
    assert numbers(client.get(address, {"page": "many"}).content.decode())[0] == 51


@pytest.mark.parametrize("address", ["/w/lab/", "/w/lab/experiments/", "/w/lab/experiments/iris/"])
def test_queries_do_not_grow_with_the_rows(
    client: Client,
    workspace: Workspace,
    owner: User,
    make_run: MakeRun,
    address: str,
    django_assert_max_num_queries: Any,
) -> None:
    client.force_login(owner)
    for number in range(12):
        run = make_run(metrics={"accuracy": 0.5, "loss": 0.1}, status="Running" if number % 2 else "Completed")
        Tag.objects.create(run=run, name="stage", value="x")
        make_run(f"other-{number}")
    with django_assert_max_num_queries(23):
        assert client.get(address).status_code == 200


def test_of_metrics_tags_and_parameters_only_those_shown_are_fetched(
    client: Client, workspace: Workspace, owner: User, make_run: MakeRun
) -> None:
    client.force_login(owner)
    for _ in range(3):
        run = make_run(metrics={f"metric {number}": 0.5 for number in range(40)})
        Tag.objects.bulk_create(Tag(run=run, name=f"tag {number:02}", value="x") for number in range(40))
        Parameter.objects.bulk_create(Parameter(run=run, name=f"p {number:02}", value="x") for number in range(40))
    answer = client.get("/w/lab/experiments/iris/", headers={"HX-Request": "true"})
    for row in answer.context["rows"]:
        assert sum(cell.is_number for cell in row.cells) == 5
        chips = chips_of([row.run.pk])
        assert [name for name, _ in chips[row.run.pk, "tag"]] == ["tag 00", "tag 01", "tag 02"]
        assert [name for name, _ in chips[row.run.pk, "param"]] == ["p 00", "p 01", "p 02"]
    html = answer.content.decode()
    assert "tag 02" in html and "tag 03" not in html and "p 02" in html and "p 03" not in html


def test_compute_tells_slots_machines_and_their_interpreters(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)
    assert "No compute targets" in client.get("/w/lab/compute/").content.decode()
    ensure_local_target()
    node = report_node(["local"])
    other = create_workspace("other", by=owner)
    ComputeTarget.objects.create(name="not-for-the-lab", workspace=other)
    html = client.get("/w/lab/compute/").content.decode()
    assert node.name in html
    assert node.details["pythons"][0]["version"] in html
    assert "not-for-the-lab" not in html
