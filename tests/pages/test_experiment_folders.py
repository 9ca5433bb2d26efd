"""Experiments whose names have slashes are in folders."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Experiment
from experiments.views.folders import folders_above, rows_of
from mlportal.access.models import User, Workspace
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db
NAMES = ["iris", "team/churn", "team/deep/a b", "team/deep/50 %", "Zoo/x", "/odd", "odd/", "team//twice"]


@pytest.fixture(autouse=True)
def experiments(client: Client, workspace: Workspace, owner: User, make_run: MakeRun) -> None:
    client.force_login(owner)
    for name in NAMES:
        make_run(name)


def listed(client: Client, query: str = "") -> tuple[list[str], list[str]]:
    """The folders, and the experiments."""
    html = client.get(f"/w/lab/experiments/{query}", headers={"HX-Request": "true"}).content.decode()
    folders = re.findall(r'folder"></use></svg>|href="[^"]*folder=[^"]*"[^>]*>.*?</svg>([^<]+)</a>', html)
    names = re.findall(r'fw-medium" href="/w/lab/experiments/[^"?]+/">([^<]+)</a>', html)
    return [name for name in folders if name], names


def test_a_folder_has_its_folders_and_its_experiments(client: Client) -> None:
    assert listed(client) == (["team", "Zoo"], ["odd/", "/odd", "iris"])
    assert listed(client, "?folder=team") == (["deep"], ["/twice", "churn"])
    assert listed(client, "?folder=team/deep/") == ([], ["50 %", "a b"])
    page = client.get("/w/lab/experiments/?folder=team").content.decode()
    assert "3 experiments" not in page and "2 experiments" in page
    assert "Nothing in this folder" in client.get("/w/lab/experiments/?folder=none").content.decode()


def test_a_search_looks_below(client: Client) -> None:
    assert listed(client, "?q=a+b") == ([], ["team/deep/a b"])
    assert listed(client, "?q=churn&folder=Zoo") == ([], [])


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_page_whose_breadcrumbs_lead_up(client: Client, name: str) -> None:
    address = reverse("experiment", args=["lab", name])
    assert Experiment.objects.get(name=name).get_absolute_url() == address
    answer = client.get(address)
    assert answer.status_code == 200
    for folder in folders_above(name.rpartition("/")[0]):
        link = re.search(rf'href="([^"]*)"[^>]*>{re.escape(folder.name)}</a>', answer.content.decode())
        assert link
        assert client.get(link[1]).status_code == 200
    assert client.get(f"{address}export/csv/").status_code == 200
    page = answer.content.decode()
    for link in re.findall(r'(?:hx-get|action|href)="(/w/lab/experiments/[^"?]+/)', page):
        kind = client.get(link).status_code
        assert kind == (405 if link.endswith(("edit/", "archive/", "delete/")) else 200), link
    nothing = client.get(address, {"q": "zzz"}).content.decode()
    assert f'href="{address}?">Clear the filters' in nothing.replace("&amp;", "&")


def test_names_that_only_have_slashes_are_no_folders() -> None:
    assert rows_of([(1, "/"), (2, "//"), (3, "a/")], "") == [1, 2, 3]
    assert folders_above("a//b") == [] and folders_above("") == []
