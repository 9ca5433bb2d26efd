from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mlportal.access.models import ApiToken, Membership, User, Workspace
from mlportal.access.services import create_token
from tests.api.conftest import Caller, Callers, error_of
from tests.api.conftest import callers as callers  # the same fixture

pytestmark = pytest.mark.django_db


def test_me(callers: Callers) -> None:
    me = callers["contributor"].get("/api/v1/me/").json()
    assert me["username"] == "carl"
    assert me["memberships"] == [{"workspace": "lab", "role": "contributor"}]
    assert callers["nobody"].get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize(("role", "seen"), [("owner", ["lab"]), ("reader", ["lab"]), ("stranger", [])])
def test_members_see_their_workspaces(callers: Callers, role: str, seen: list[str]) -> None:
    rows = callers[role].get("/api/v1/workspaces/").json()["results"]
    assert [row["name"] for row in rows] == seen
    if seen:
        assert rows[0]["role"] == role
    assert callers[role].get("").status_code == (200 if seen else 404)


def test_an_administrator_is_an_owner_everywhere(workspace: Workspace) -> None:
    admin = Caller(create_token(User.objects.create_superuser("root"), "t")[1])
    assert admin.get("").json()["role"] == "owner"


def test_whoever_makes_a_workspace_owns_it(callers: Callers) -> None:
    answer = callers["stranger"].post("/api/v1/workspaces/", {"name": "sams", "description": "mine"})
    assert answer.status_code == 201
    assert answer["Location"] == "/api/v1/workspaces/sams/"
    assert answer.json()["role"] == "owner"
    assert callers["owner"].get("/api/v1/workspaces/sams/").status_code == 404


@pytest.mark.parametrize(("name", "status"), [("LAB", 409), ("a b", 400), ("", 400), ("../x", 400)])
def test_names_that_no_workspace_can_have(callers: Callers, name: str, status: int) -> None:
    answer = callers["owner"].post("/api/v1/workspaces/", {"name": name})
    assert answer.status_code == status
    error_of(answer)
    assert Workspace.objects.count() == 1


def test_config_json(callers: Callers) -> None:
    answer = callers["reader"].get("config.json")
    assert answer.json()["workspace_name"] == "lab"
    assert {"subscription_id", "resource_group"} <= set(answer.json())
    assert answer["Content-Disposition"] == 'attachment; filename="config.json"'
    assert callers["stranger"].get("config.json").status_code == 404


@pytest.mark.parametrize(("role", "status"), [("owner", 201), ("contributor", 403), ("reader", 403), ("stranger", 404)])
def test_who_may_add_members(callers: Callers, stranger: User, role: str, status: int) -> None:
    answer = callers[role].post("members/", {"username": "sam", "role": "reader"})
    assert answer.status_code == status
    assert Membership.objects.filter(user=stranger).exists() == (status == 201)


def test_a_role_is_changed(callers: Callers) -> None:
    answer = callers["owner"].post("members/", {"username": "rita", "role": "contributor"})
    assert (answer.status_code, answer.json()["role"]) == (200, "contributor")


@pytest.mark.parametrize(
    "body", [{"username": "gone", "role": "reader"}, {"username": "sam", "role": "king"}, {"username": "sam"}]
)
def test_members_that_cannot_be(callers: Callers, body: Any) -> None:
    answer = callers["owner"].post("members/", body)
    assert answer.status_code == 400
    error_of(answer)


@pytest.mark.parametrize(("role", "status"), [("owner", 204), ("contributor", 403), ("reader", 403), ("stranger", 404)])
def test_who_may_remove_members(callers: Callers, role: str, status: int) -> None:
    assert callers[role].delete("members/rita/").status_code == status
    assert Membership.objects.filter(user__username="rita").exists() == (status != 204)


def test_the_last_owner_stays(callers: Callers) -> None:
    assert callers["owner"].delete("members/olga/").status_code == 409
    assert callers["owner"].post("members/", {"username": "olga", "role": "reader"}).status_code == 409


def test_everybody_in_it_sees_the_members(callers: Callers) -> None:
    rows = callers["reader"].get("members/").json()["results"]
    assert {row["username"]: row["role"] for row in rows} == {"olga": "owner", "carl": "contributor", "rita": "reader"}
    assert callers["stranger"].get("members/").status_code == 404


def test_a_token_is_shown_once_and_works(callers: Callers, reader: User) -> None:
    browser = Client()
    browser.force_login(reader)
    made = browser.post("/api/v1/tokens/", {"name": "laptop"}, "application/json")
    assert made.status_code == 201
    secret = made.json()["token"]
    assert Caller(secret).get("/api/v1/me/").json()["username"] == "rita"
    listed = callers["reader"].get("/api/v1/tokens/")
    assert "laptop" in listed.content.decode() and secret not in listed.content.decode()
    assert ApiToken.objects.filter(name="laptop").exclude(digest=secret).exists()


def test_a_token_makes_no_tokens(callers: Callers) -> None:
    before = ApiToken.objects.count()
    answer = callers["owner"].post("/api/v1/tokens/", {"name": "heir"})
    assert answer.status_code == 403
    assert "A token makes no tokens" in error_of(answer)["message"]
    assert ApiToken.objects.count() == before


def test_tokens_are_their_owners_alone(callers: Callers) -> None:
    token = ApiToken.objects.get(user__username="olga")
    assert callers["reader"].delete(f"/api/v1/tokens/{token.pk}/").status_code == 404
    assert [row["id"] for row in callers["reader"].get("/api/v1/tokens/").json()["results"]] != [token.pk]
    token.refresh_from_db()
    assert token.is_usable


def test_a_revoked_token_opens_nothing(callers: Callers) -> None:
    token = ApiToken.objects.get(user__username="rita")
    assert callers["reader"].delete(f"/api/v1/tokens/{token.pk}/").status_code == 204
    answer = callers["reader"].get("/api/v1/me/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    error_of(answer)


def test_an_expired_token_and_a_left_person_open_nothing(stranger: User) -> None:
    _, old = create_token(stranger, "old", expires_at=timezone.now() - timedelta(seconds=1))
    assert Caller(old).get("/api/v1/me/").status_code == 401
    _, fresh = create_token(stranger, "fresh")
    User.objects.filter(pk=stranger.pk).update(is_active=False)
    assert Caller(fresh).get("/api/v1/me/").status_code == 401


def test_a_session_needs_its_csrf_token_to_write(owner: User, workspace: Workspace) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    assert browser.get("/api/v1/me/").status_code == 200
    answer = browser.post("/api/v1/tokens/", {"name": "x"}, "application/json")
    assert answer.status_code == 403
    error_of(answer)
    assert not ApiToken.objects.exists()


def test_more_members_are_no_more_queries(
    callers: Callers, workspace: Workspace, owner: User, django_assert_max_num_queries: Any
) -> None:
    for at in range(8):
        Membership.objects.create(workspace=workspace, user=User.objects.create_user(f"p{at}"))
        Membership.objects.create(workspace=Workspace.objects.create(name=f"w{at}"), user=owner)
    callers["owner"].get("/api/v1/me/")
    for path in ("members/", "/api/v1/workspaces/", "/api/v1/me/"):
        with django_assert_max_num_queries(5):
            assert callers["owner"].get(path).status_code == 200
