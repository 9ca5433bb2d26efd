"""Signing in, tokens, members."""

import re
from base64 import b64encode
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mlportal.access import shown_once
from mlportal.access.models import ApiToken, AuditEvent, User, Workspace, digest_of
from mlportal.access.services import create_token

SECRET = re.compile(r"mlp_[\w-]{43}")


def test_signing_in_and_out(client: Client, owner: User, workspace: Workspace) -> None:
    wrong = client.post("/login/", {"username": "olga", "password": "wrong"})
    assert wrong.status_code == 200
    assert "Please enter a correct username and password" in wrong.content.decode()
    right = client.post("/login/", {"username": "olga", "password": "not-needed-here"})
    assert right.status_code == 302
    assert client.get("/w/lab/").status_code == 200
    client.post("/logout/")
    assert client.get("/w/lab/").status_code == 302


def test_signing_in_leads_nowhere_else(client: Client, owner: User) -> None:
    somewhere = {"username": "olga", "password": "not-needed-here", "next": "https://elsewhere.example/"}
    assert client.post("/login/", somewhere)["Location"] == "/"


def test_the_first_password_is_explained_until_somebody_was_here(client: Client, owner: User) -> None:
    assert "printed once" in client.get("/login/").content.decode()
    client.force_login(owner)
    client.post("/logout/")
    assert "printed once" not in client.get("/login/").content.decode()


def test_guessing_a_password_is_locked_out(client: Client, owner: User, settings: pytest.FixtureRequest) -> None:
    settings.AXES_FAILURE_LIMIT = 3  # type: ignore[attr-defined]
    answers = [client.post("/login/", {"username": "olga", "password": f"guess {n}"}) for n in range(4)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert "Too many attempts" in answers[-1].content.decode()
    right = client.post("/login/", {"username": "olga", "password": "not-needed-here"})
    assert right.status_code == 429


def test_a_token_is_shown_once(client: Client, owner: User) -> None:
    client.force_login(owner)
    made = client.post(reverse("tokens"), {"name": "laptop", "lifetime": "30"})
    assert (made.status_code, made["Location"]) == (302, reverse("tokens"))
    secret = SECRET.search(client.get(reverse("tokens")).content.decode())
    assert secret
    token = ApiToken.objects.get()
    assert token.digest == digest_of(secret[0])
    assert token.expires_at
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)
    again = client.get(reverse("tokens"))
    assert secret[0] not in again.content.decode()
    assert again["Cache-Control"].startswith("max-age=0")
    assert ApiToken.objects.count() == 1


def test_a_token_on_its_way_to_the_page_is_in_no_row_and_in_no_cookie(client: Client, owner: User) -> None:
    client.force_login(owner)
    made = client.post(reverse("tokens"), {"name": "laptop", "lifetime": "30"})
    cookie = made.cookies[shown_once.COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["max-age"] == shown_once.SECONDS
    stored = str(dict(client.session))
    client.head(reverse("tokens"))  # looks, and shows nothing
    secret = SECRET.search(client.get(reverse("tokens")).content.decode())
    assert secret
    for clear in (secret[0], b64encode(secret[0].encode()).decode()):
        assert clear not in stored and clear not in str(made.headers) + cookie.OutputString()
    client.cookies[shown_once.COOKIE] = cookie.value  # even who kept the cookie is shown nothing more
    assert not SECRET.search(client.get(reverse("tokens")).content.decode())


@pytest.mark.parametrize("forged", ["", "a", "====", "A" * 64, b64encode(b"x" * 47).decode()])
def test_a_forged_cookie_shows_nothing(client: Client, owner: User, forged: str) -> None:
    client.force_login(owner)
    client.post(reverse("tokens"), {"name": "laptop", "lifetime": "30"})
    client.cookies[shown_once.COOKIE] = forged
    page = client.get(reverse("tokens"))
    assert page.status_code == 200
    assert "new-token" not in page.content.decode()


def test_a_token_needs_a_name(client: Client, owner: User) -> None:
    client.force_login(owner)
    client.post(reverse("tokens"), {"name": " ", "lifetime": ""})
    assert not ApiToken.objects.exists()


def test_revoking_is_for_ones_own_tokens(client: Client, owner: User, stranger: User) -> None:
    token, _ = create_token(owner, "laptop")
    client.force_login(stranger)
    assert client.post(reverse("token-revoke", args=[token.pk])).status_code == 404
    client.force_login(owner)
    assert client.get(reverse("token-revoke", args=[token.pk])).status_code == 405
    client.post(reverse("token-revoke", args=[token.pk]))
    token.refresh_from_db()
    assert not token.is_usable


def test_changing_the_password_keeps_this_browser_signed_in(client: Client, owner: User) -> None:
    client.force_login(owner)
    new = "a-better-one-than-before"
    form = {"old_password": "not-needed-here", "new_password1": new, "new_password2": new}
    assert client.post(reverse("password-change"), form).status_code == 302
    assert client.get(reverse("password-change")).status_code == 200
    owner.refresh_from_db()
    assert owner.check_password(new)


def test_an_owner_adds_changes_and_removes_members(
    client: Client, workspace: Workspace, owner: User, stranger: User
) -> None:
    client.force_login(owner)
    set_member = reverse("member-set", args=["lab"])
    assert client.post(set_member, {"username": "sam", "role": "reader"}).status_code == 302
    client.post(set_member, {"username": "sam", "role": "contributor"})
    membership = workspace.memberships.get(user=stranger)
    assert membership.role == "contributor"
    client.post(reverse("member-remove", args=["lab", membership.pk]))
    assert not workspace.memberships.filter(user=stranger).exists()
    assert AuditEvent.objects.filter(workspace=workspace, action__startswith="member.").count() == 3


def test_an_unknown_person_is_told_beside_the_field(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)
    response = client.post(reverse("member-set", args=["lab"]), {"username": "nobody", "role": "reader"})
    assert response.status_code == 400
    assert "There is no active user named" in response.content.decode()


def test_the_last_owner_stays(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)
    membership = workspace.memberships.get(user=owner)
    response = client.post(reverse("member-remove", args=["lab", membership.pk]), follow=True)
    assert "last owner" in response.content.decode()
    assert client.post(reverse("member-set", args=["lab"]), {"username": "olga", "role": "reader"}).status_code == 400
    membership.refresh_from_db()
    assert membership.role == "owner"


def test_members_are_changed_by_owners_only(
    client: Client, workspace: Workspace, contributor: User, stranger: User
) -> None:
    client.force_login(contributor)
    assert client.post(reverse("member-set", args=["lab"]), {"username": "sam", "role": "owner"}).status_code == 403
    owner_row = workspace.memberships.exclude(user=contributor).get()
    assert client.post(reverse("member-remove", args=["lab", owner_row.pk])).status_code == 403
    assert workspace.memberships.count() == 2


def test_a_member_of_another_workspace_cannot_be_removed_from_here(
    client: Client, workspace: Workspace, owner: User, stranger: User
) -> None:
    from mlportal.access.services import create_workspace

    other = create_workspace("other", by=stranger)
    client.force_login(owner)
    foreign = other.memberships.get()
    assert client.post(reverse("member-remove", args=["lab", foreign.pk])).status_code == 404
