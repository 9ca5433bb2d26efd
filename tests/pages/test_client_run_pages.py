"""Runs that clients run, their children, and the pages on which experiments and compute targets are changed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from experiments import services
from experiments.metrics import Batch, Series
from experiments.models import ComputeTarget, Experiment, Run
from experiments.services.compute import ensure_local_target
from mlportal.access.models import User, Workspace

Ask = Callable[..., HttpResponse]


@pytest.fixture
def started(workspace: Workspace, owner: User) -> Run:
    return services.start_run(workspace, experiment="search", name="grid", by=owner)


@pytest.fixture
def get(client: Client) -> Ask:
    def get(person: User, path: str, **headers: str) -> HttpResponse:
        client.force_login(person)
        return client.get(f"/w/lab/{path}", headers=headers)  # type: ignore[return-value]

    return get


@pytest.fixture
def post(client: Client) -> Ask:
    def post(person: User, path: str, **form: str) -> HttpResponse:
        client.force_login(person)
        return client.post(f"/w/lab/{path}", form)  # type: ignore[return-value]

    return post


# --- Runs


def test_the_first_look_at_a_run_shows_what_it_logged(get: Ask, started: Run, owner: User) -> None:
    path = f"runs/{started.uid}/"
    assert "Metrics, the last of each" not in get(owner, path).content.decode()
    scalars = {name: Series.of([0, 1], [1.0, 2.0], [0.5, value]) for name, value in (("<b>", 0.25), ("odd", math.nan))}
    many = {f"p{number:02d}": "<i>" * number for number in range(13)}
    services.log_batch(started, Batch(scalars=scalars, params=many), by=owner)
    for address in (path, f"{path}live/"):
        html = get(owner, address).content.decode()
        assert '<dt class="text-break">&lt;b&gt;</dt><dd class="font-monospace">0.25</dd>' in html
        assert '<dt class="text-break">odd</dt><dd class="font-monospace">NaN</dd>' in html
        shown = html.partition("Their curves")[2].partition("</dl>")[0]
        assert shown.count("<dt") == 12 and "<i>" not in shown and 'href="#details">All of them' in html


def test_a_silent_run_says_when_it_last_logged_and_how_to_end_it(
    get: Ask, started: Run, contributor: User, reader: User
) -> None:
    path = f"runs/{started.uid}/"
    html = get(contributor, path).content.decode()
    assert "It has logged nothing yet" in html and "Preparing</h2>" not in html and "Download log" not in html
    assert html.count('id="mark-failed"') == html.count('id="cancel"') == 1
    services.log_metrics(started, [{"t": 1.0, "k": "scalar", "n": "loss", "v": 1}], by=contributor)
    html = get(reader, f"{path}live/").content.decode()
    assert "It last logged" in html
    assert "mark-failed" not in html and 'id="cancel"' not in html
    services.finish_run(started, "Failed", message="gone", by=contributor)
    html = get(contributor, path).content.decode()
    assert "gone" in html and "mark-failed" not in html and 'id="cancel"' not in html


def test_children_are_listed_and_lead_to_their_parent(get: Ask, started: Run, owner: User, stranger: User) -> None:
    assert 'id="children"' in get(owner, f"runs/{started.uid}/").content.decode()
    child = services.start_run(started.workspace, parent=started, name="<b>fold</b>", by=owner)
    services.log_metrics(child, [{"t": 1.0, "k": "scalar", "n": "loss", "v": 0.125}], by=owner)
    html = get(owner, f"runs/{started.uid}/").content.decode()
    assert f'href="{child.get_absolute_url()}"' in html
    assert "0.125" in html and "&lt;b&gt;fold" in html and "<b>fold" not in html
    html = get(owner, f"runs/{child.uid}/").content.decode()
    assert html.count(f'href="{started.get_absolute_url()}"') == 3  # breadcrumb, facts, details
    assert get(stranger, f"runs/{started.uid}/children/").status_code == 404


def test_the_list_of_children_is_drawn_anew_only_when_something_changed(get: Ask, started: Run, owner: User) -> None:
    child = services.start_run(started.workspace, parent=started, by=owner)
    address = f"runs/{started.uid}/children/"
    first = get(owner, address).content.decode()
    (state,) = re.findall(r"known=(\w+)", first)
    assert get(owner, f"{address}?known={state}").status_code == 204
    services.finish_run(child, "Completed", by=owner)
    assert get(owner, f"{address}?known={state}").status_code == 200
    services.finish_run(started, "Completed", by=owner)
    assert "hx-get" not in get(owner, address).content.decode()  # nothing will come


def test_more_children_are_no_more_queries(get: Ask, started: Run, owner: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert get(owner, f"runs/{started.uid}/").status_code == 200
        return len(captured)

    services.start_run(started.workspace, parent=started, by=owner)
    queries()
    before = queries()
    for _ in range(10):
        services.start_run(started.workspace, parent=started, by=owner)
    assert queries() <= before


def test_an_experiment_shows_children_under_their_parents(get: Ask, started: Run, owner: User) -> None:
    for _ in range(2):
        services.start_run(started.workspace, parent=started, by=owner)

    def numbers(query: str = "") -> list[int]:
        html = get(owner, f"experiments/search/{query}").content.decode()
        return [int(number) for number in re.findall(r'<span class="text-secondary">#(\d+)</span>', html)]

    assert numbers() == [1]
    assert numbers(f"?parent={started.uid}") == [3, 2]
    assert numbers("?status=Running") == [3, 2, 1]  # who looks for something finds it wherever it is
    assert "2 children" in get(owner, "experiments/search/").content.decode()


# --- Experiments


def test_an_experiment_is_described_archived_restored_and_deleted(
    get: Ask, post: Ask, workspace: Workspace, contributor: User
) -> None:
    services.create_experiment(workspace, "plans", tags={"old": "1", "kept": "2"}, by=contributor)
    post(contributor, "experiments/plans/edit/", description="to do", tags="kept=3\nflag\nnew=a=b")
    plans = Experiment.objects.get()
    assert (plans.description, plans.tags) == ("to do", {"kept": "3", "flag": None, "new": "a=b"})
    assert "kept=3\nflag\nnew=a=b" in get(contributor, "experiments/plans/").content.decode()
    post(contributor, "experiments/plans/archive/")
    assert "/experiments/plans/" not in get(contributor, "experiments/").content.decode()
    assert "/experiments/plans/" in get(contributor, "experiments/?archived=1").content.decode()
    assert "it is not listed" in get(contributor, "experiments/plans/").content.decode()
    post(contributor, "experiments/plans/restore/")
    assert "/experiments/plans/" in get(contributor, "experiments/").content.decode()
    post(contributor, "experiments/plans/delete/")
    assert not Experiment.objects.exists()


def test_one_with_runs_is_kept_and_that_is_said(get: Ask, post: Ask, started: Run, contributor: User) -> None:
    assert "experiments/search/delete/" not in get(contributor, "experiments/search/").content.decode()
    answer = post(contributor, "experiments/search/delete/")
    assert answer.status_code == 302
    assert "archive it instead" in get(contributor, "experiments/search/").content.decode()
    assert Experiment.objects.exists()


@pytest.mark.parametrize("action", ["edit", "archive", "restore", "delete"])
def test_readers_and_strangers_change_no_experiment(
    post: Ask, get: Ask, workspace: Workspace, owner: User, reader: User, stranger: User, action: str
) -> None:
    services.create_experiment(workspace, "plans", by=owner)
    path = f"experiments/plans/{action}/"
    assert post(reader, path, description="mine", tags="").status_code in (302, 403)
    assert post(stranger, path).status_code == 404
    assert get(owner, path).status_code == 405
    plans = Experiment.objects.get()
    assert (plans.description, plans.archived_at) == ("", None)
    assert "edit-experiment" not in get(reader, "experiments/plans/").content.decode()


# --- Compute


def test_a_target_is_made_edited_and_deleted(get: Ask, post: Ask, workspace: Workspace, contributor: User) -> None:
    ensure_local_target()
    assert post(contributor, "new-compute/", name="cluster", slots="2", description="").status_code == 302
    html = get(contributor, "compute/").content.decode()
    assert "/compute/cluster/" in html and "/compute/local/" not in html
    assert post(contributor, "compute/cluster/", slots="3", description="three").status_code == 302
    target = ComputeTarget.objects.get(name="cluster")
    assert (target.slots, target.description) == (3, "three")
    assert "data-confirm" in get(contributor, "compute/cluster/").content.decode()
    post(contributor, "compute/cluster/delete/")
    assert "cluster" not in get(contributor, "compute/", **{"HX-Request": "true"}).content.decode()
    assert get(contributor, "compute/cluster/").status_code == 404


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "local", "slots": "1"}, "There is a compute target local here already."),
        ({"name": "a b", "slots": "1"}, "cannot name a compute target"),
        ({"name": "ok", "slots": "1000"}, "MLPORTAL_COMPUTE_SLOTS"),
        ({"name": "ok", "slots": "many"}, "Enter a whole number"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    post: Ask, workspace: Workspace, contributor: User, form: dict[str, str], said: str
) -> None:
    ensure_local_target()
    answer = post(contributor, "new-compute/", **form)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert ComputeTarget.objects.count() == 1


def test_readers_strangers_and_shared_targets(
    get: Ask, post: Ask, workspace: Workspace, owner: User, reader: User, stranger: User
) -> None:
    ensure_local_target()
    services.create_target(workspace, "cluster", by=owner)
    assert "new-compute" not in get(reader, "compute/").content.decode()
    for path in ("new-compute/", "compute/cluster/", "compute/cluster/delete/"):
        form = {"name": "other", "slots": "9", "description": ""}
        assert post(reader, path, **form).status_code == 403
        assert post(stranger, path, **form).status_code == 404
    for path in ("compute/local/", "compute/local/delete/"):
        assert post(owner, path, slots="9").status_code == 404
    assert [target.slots for target in ComputeTarget.objects.there().filter(name="cluster")] == [1]
    assert ComputeTarget.objects.count() == 2
