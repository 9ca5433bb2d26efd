"""What every page stands on: who gets in, the side bar, errors, and that no request leaves the machine."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace

PAGES = ["overview", "experiments", "environments", "environment-new", "compute", "members", "submit"]


@pytest.mark.parametrize("page", PAGES)
def test_a_visitor_is_sent_to_sign_in_and_back(client: Client, workspace: Workspace, page: str) -> None:
    address = reverse(page, args=["lab"])
    response = client.get(address)
    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={address}"


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_finds_what_is_not_there(client: Client, workspace: Workspace, stranger: User, page: str) -> None:
    client.force_login(stranger)
    response = client.get(reverse(page, args=["lab"]))
    assert response.status_code == 404
    assert "lab" not in re.sub(r"(?i)available|label", "", response.content.decode())


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing_from_elsewhere_and_has_no_inline_script(
    client: Client, workspace: Workspace, owner: User, page: str
) -> None:
    client.force_login(owner)
    response = client.get(reverse(page, args=["lab"]))
    assert response.status_code == 200
    html = response.content.decode()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', html)
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL):
        assert 'src="' in attributes or 'type="application/json"' in attributes, body
    assert not re.search(r"\son[a-z]+=", html)
    assert "default-src 'self'" in response["Content-Security-Policy"]


def test_the_side_bar_says_where_one_is(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)
    html = client.get(reverse("experiments", args=["lab"])).content.decode()
    here = re.findall(r'<a class="nav-link"[^>]*aria-current="page">.*?</a>', html, re.DOTALL)
    assert len(here) == 1
    assert "Experiments" in here[0]


def test_a_reader_is_not_offered_what_would_be_refused(client: Client, workspace: Workspace, reader: User) -> None:
    client.force_login(reader)
    for page in ("overview", "experiments", "environments", "compute", "members"):
        html = client.get(reverse(page, args=["lab"])).content.decode()
        assert reverse("submit", args=["lab"]) not in html, page
        assert reverse("environment-new", args=["lab"]) not in html, page
        assert reverse("member-set", args=["lab"]) not in html, page


def test_home_leads_to_the_workspace_of_last_time(client: Client, workspace: Workspace, owner: User) -> None:
    create_workspace("attic", by=owner)
    client.force_login(owner)
    assert client.get("/")["Location"] == "/w/attic/"
    client.get("/w/lab/")
    assert client.get("/")["Location"] == "/w/lab/"


def test_somebody_without_a_workspace_can_make_one(client: Client, stranger: User) -> None:
    client.force_login(stranger)
    assert "You are in no workspace yet" in client.get("/").content.decode()
    response = client.post(reverse("workspace-new"), {"name": "mine", "description": ""})
    assert response["Location"] == "/w/mine/"
    assert client.post(reverse("workspace-new"), {"name": "MINE"}).status_code == 400
    assert client.post(reverse("workspace-new"), {"name": "../x"}).status_code == 400
    assert [workspace.name for workspace in Workspace.objects.all()] == ["mine"]


def test_a_refused_action_is_answered_by_a_page_or_a_fragment(
    client: Client, workspace: Workspace, reader: User
) -> None:
    client.force_login(reader)
    address = reverse("environment-new", args=["lab"])
    page = client.get(address)
    assert page.status_code == 403
    assert "<!doctype html>" in page.content.decode()
    part = client.get(address, headers={"HX-Request": "true"})
    assert part.status_code == 403
    assert "<!doctype html>" not in part.content.decode()
    assert "This needs the role contributor" in part.content.decode()


def test_the_error_page_of_a_broken_portal_needs_nothing_of_it(client: Client, rf: Any) -> None:
    from django.views.defaults import server_error

    response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert b"Something went wrong" in response.content


def test_an_address_that_is_not_there(client: Client, owner: User) -> None:
    assert client.get("/nothing/").status_code == 404
    client.force_login(owner)
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.content.decode()
