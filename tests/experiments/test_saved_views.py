"""Saved views, in the page and in the API: who may, what they keep, and that they lead where they say."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiments import services
from experiments.models import Experiment, SavedView
from mlportal.access.models import User, Workspace
from mlportal.errors import BadInput, Conflict, NotAllowed
from tests.api.conftest import Callers, error_of
from tests.api.conftest import callers as callers
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db
QUERY = {"q": ["metrics.loss < 0.5"], "sort": ["max(metrics.loss) DESC"], "c": ["params.kernel", "metrics.loss"]}


@pytest.fixture
def experiment(make_run: MakeRun) -> Experiment:
    make_run(metrics={"loss": 0.1}, params={"kernel": "rbf"})
    return make_run(metrics={"loss": 0.9}).experiment


def test_a_view_is_shared_by_its_address(
    client: Client, workspace: Workspace, experiment: Experiment, owner: User, reader: User
) -> None:
    view = services.save_view(workspace, experiment, "best", QUERY, by=owner)
    client.force_login(reader)
    answer = client.get(view.get_absolute_url(), follow=True)
    html = answer.content.decode()
    assert "#1</span>" in html and "#2</span>" not in html
    assert 'title="kernel"' in html and 'aria-current="true"' in html
    assert "Save changes" not in html and 'data-open-dialog="save-view"' not in html
    assert client.get("/w/lab/views/nothing/").status_code == 404


def test_names_are_taken_once_in_each_place(workspace: Workspace, experiment: Experiment, owner: User) -> None:
    services.save_view(workspace, experiment, "best", QUERY, by=owner)
    services.save_view(workspace, None, "best", {}, by=owner)
    for place in (experiment, None):
        with pytest.raises(Conflict):
            services.save_view(workspace, place, " best ", {}, by=owner)
    other = services.save_view(workspace, None, "other", {}, by=owner)
    with pytest.raises(Conflict):
        services.change_view(other, name="best", by=owner)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("", {}),
        ("x" * 101, {}),
        ("a\nb", {}),
        ("x", {"page": ["2"]}),
        ("x", {"q": ["metrics.loss <"]}),
        ("x", {"c": ["password"]}),
        ("x", {"q": ["a" * 20_001]}),
        ("x", {"q": ["a\0"]}),
    ],
)
def test_what_is_no_view_is_refused(workspace: Workspace, owner: User, name: str, query: dict[str, list[str]]) -> None:
    with pytest.raises(BadInput):
        services.save_view(workspace, None, name, query, by=owner)
    assert not SavedView.objects.exists()


def test_readers_keep_none(workspace: Workspace, owner: User, reader: User) -> None:
    view = services.save_view(workspace, None, "v", {}, by=owner)
    for act in (
        lambda: services.save_view(workspace, None, "w", {}, by=reader),
        lambda: services.change_view(view, name="w", by=reader),
        lambda: services.delete_view(view, by=reader),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert list(SavedView.objects.values_list("name", flat=True)) == ["v"]


def test_a_table_is_saved_changed_renamed_and_deleted_in_the_page(
    client: Client, experiment: Experiment, owner: User
) -> None:
    client.force_login(owner)
    form = {"experiment": "iris", "name": "rbf alone", "query": "q=rbf&c=params.kernel&page=3&known=x"}
    html = client.post("/w/lab/views/save/", form, follow=True).content.decode()
    view = SavedView.objects.get()
    assert view.query == {"q": ["rbf"], "c": ["params.kernel"]} and view.experiment == experiment
    assert "rbf alone" in html and "Save changes" not in html
    changed = client.get("/w/lab/experiments/iris/", {"q": "poly", "view": view.uid}).content.decode()
    assert "Save changes" in changed
    client.post(f"/w/lab/views/{view.uid}/change/", {"query": "q=poly"})
    client.post(f"/w/lab/views/{view.uid}/change/", {"name": "poly"})
    view.refresh_from_db()
    assert (view.name, view.query) == ("poly", {"q": ["poly"]})
    answer = client.post(f"/w/lab/views/{view.uid}/delete/", follow=True)
    assert answer.redirect_chain == [("/w/lab/experiments/iris/", 302)]
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("role", "status"), [("contributor", 201), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_views_in_the_api(
    callers: Callers,
    experiment: Experiment,
    role: str,
    status: int,
) -> None:
    answer = callers[role].post("views/", {"name": "best", "experiment": "iris", "query": QUERY})
    assert answer.status_code == status
    if status != 201:
        error_of(answer)
        assert not SavedView.objects.exists()
        return
    made = answer.json()
    assert made["query"] == QUERY and made["page"] == f"/w/lab/views/{made['uid']}/"
    place = f"views/{made['uid']}/"
    assert callers["reader"].get("views/", {"experiment": "iris"}).json()["results"] == [made]
    assert callers["reader"].patch(place, {"name": "x"}).status_code == 403
    assert callers[role].patch(place, {"name": "better"}).json()["name"] == "better"
    assert callers["reader"].delete(place).status_code == 403
    assert callers["stranger"].get(place).status_code == 404
    assert callers[role].delete(place).status_code == 204
    assert callers[role].get(place).status_code == 404


@pytest.mark.parametrize(
    "change", [{"query": {"q": ["metrics.loss <"]}}, {"query": []}, {"experiment": "none"}, {"x": 1}]
)
def test_what_the_api_refuses(callers: Callers, experiment: Experiment, change: dict[str, Any]) -> None:
    assert callers["owner"].post("views/", {"name": "v", **change}).status_code == 400
    assert not SavedView.objects.exists()
