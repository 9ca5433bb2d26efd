"""Members and tokens: the last owner stays, secrets are kept as digests, ended keys open nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from experiments.models import Run
from mlportal.access.models import ApiToken, AuditEvent, Membership, User, Workspace, digest_of
from mlportal.access.services import (
    create_administrator,
    create_token,
    create_workspace,
    remove_member,
    revoke_token,
    set_member,
)
from mlportal.errors import BadInput, Conflict, NotAllowed
from tests.experiments.conftest import Submit


def test_the_last_owner_stays_an_owner(workspace: Workspace, owner: User, contributor: User) -> None:
    membership = workspace.memberships.get(user=owner)
    with pytest.raises(Conflict):
        remove_member(membership, by=owner)
    with pytest.raises(Conflict):
        set_member(workspace, owner.username, "reader", by=owner)
    assert workspace.role_of(owner) == "owner"
    set_member(workspace, contributor.username, "owner", by=owner)
    set_member(workspace, owner.username, "reader", by=owner)
    assert (workspace.role_of(owner), workspace.role_of(contributor)) == ("reader", "owner")


def test_only_owners_change_members(workspace: Workspace, contributor: User, reader: User, stranger: User) -> None:
    for person in (contributor, reader, stranger):
        with pytest.raises(NotAllowed):
            set_member(workspace, stranger.username, "reader", by=person)
        with pytest.raises(NotAllowed):
            remove_member(workspace.memberships.get(user=reader), by=person)
    assert Membership.objects.filter(workspace=workspace).count() == 3


@pytest.mark.parametrize(("username", "role", "field"), [("nobody", "reader", "username"), ("sam", "god", "role")])
def test_members_that_cannot_be(
    workspace: Workspace, owner: User, stranger: User, username: str, role: str, field: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        set_member(workspace, username, role, by=owner)
    assert refusal.value.details["field"] == field


def test_a_person_who_left_sees_and_may_nothing(
    submit: Submit, workspace: Workspace, owner: User, reader: User
) -> None:
    run = submit()
    assert list(Run.objects.visible_to(reader)) == [run]
    remove_member(workspace.memberships.get(user=reader), by=owner)
    assert not Run.objects.visible_to(reader).exists()
    User.objects.filter(pk=owner.pk).update(is_active=False)
    owner.refresh_from_db()
    assert not Run.objects.visible_to(owner).exists()
    assert workspace.role_of(owner) is None


def test_a_token_is_kept_as_its_digest(owner: User) -> None:
    token, secret = create_token(owner, "laptop")
    assert token.digest == digest_of(secret)
    columns = ApiToken.objects.values().get(pk=token.pk)
    assert secret not in str(columns)
    assert len(secret) > 40
    assert secret.startswith(token.hint)
    assert secret not in str(list(AuditEvent.objects.values()))
    assert list(ApiToken.objects.usable().filter(digest=digest_of(secret))) == [token]


def test_revoked_expired_and_an_inactive_persons_tokens_open_nothing(owner: User, stranger: User) -> None:
    revoked, _ = create_token(owner, "a")
    revoke_token(revoked, by=owner)
    revoke_token(revoked, by=owner)
    assert AuditEvent.objects.filter(action="token.revoke").count() == 1
    create_token(owner, "b", expires_at=timezone.now() - timedelta(seconds=1))
    later, _ = create_token(owner, "c", expires_at=timezone.now() + timedelta(hours=1))
    create_token(stranger, "d")
    User.objects.filter(pk=stranger.pk).update(is_active=False)
    assert list(ApiToken.objects.usable()) == [later]
    assert not ApiToken.objects.visible_to(stranger).filter(user=owner).exists()


def test_a_token_needs_a_name(owner: User) -> None:
    with pytest.raises(BadInput):
        create_token(owner, "  ")


@pytest.mark.parametrize("name", ["", "a", "-x", "a b", "x" * 64, "a/b", "é"])
def test_names_that_no_workspace_has(owner: User, name: str) -> None:
    with pytest.raises(BadInput):
        create_workspace(name, by=owner)


def test_a_name_is_taken_whatever_its_case(workspace: Workspace, owner: User) -> None:
    with pytest.raises(Conflict):
        create_workspace(workspace.name.upper(), by=owner)


def test_the_first_administrators_password_is_checked_too(db: None) -> None:
    with pytest.raises(BadInput) as refusal:
        create_administrator("admin", "password")
    assert refusal.value.details["field"] == "password"
    assert not User.objects.exists()
    admin = create_administrator("admin", "a-long-and-uncommon-one-7")
    assert Workspace.objects.get().role_of(admin) == "owner"
    with pytest.raises(Conflict):
        create_administrator("admin", "a-long-and-uncommon-one-7")
