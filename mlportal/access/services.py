"""What people do to workspaces, members and tokens: one function a verb, one transaction each, each on the audit trail."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from mlportal.access.models import (
    ApiToken,
    AuditEvent,
    Membership,
    User,
    Workspace,
    digest_of,
    new_secret,
    workspace_name,
)
from mlportal.access.roles import Role
from mlportal.errors import BadInput, Conflict, NotAllowed
from mlportal.statements import insert

# What the apps give every new workspace. They add to it themselves: this package knows none of them.
NEW_WORKSPACE: list[Callable[[Workspace], None]] = []


def record(action: str, *, by: Any, workspace: Workspace | None = None, subject: object = "", **details: Any) -> None:
    """Add a line to the audit trail; call it inside the transaction of what it tells."""
    insert([line(action, by=by, workspace=workspace, subject=subject, **details)])


def line(
    action: str, *, by: Any, workspace: Workspace | None = None, subject: object = "", **details: Any
) -> AuditEvent:
    """The same, for who stores it with other rows."""
    actor = by if isinstance(by, User) else None
    return AuditEvent(workspace=workspace, actor=actor, action=action, subject=str(subject)[:300], details=details)


def require(role: Role, workspace: Workspace, person: Any) -> None:
    """Raise NotAllowed unless the person has at least this role here."""
    has = workspace.role_of(person)
    if has is None or not has.includes(role):
        yours = has.label.lower() if has else "not a member"
        raise NotAllowed(
            f"This needs the role {role.label.lower()} in the workspace {workspace.name}; you are {yours}."
        )


@transaction.atomic
def create_workspace(name: str, *, description: str = "", by: User) -> Workspace:
    try:
        workspace_name(name)
    except ValidationError as error:
        raise BadInput(f"{name!r} cannot name a workspace: {error.message}", field="name") from None
    if Workspace.objects.filter(name__iexact=name).exists():
        raise Conflict(f"There is a workspace named {name} already.", field="name")
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(name=name, description=description)
    except IntegrityError:  # somebody else was faster
        raise Conflict(f"There is a workspace named {name} already.", field="name") from None
    Membership.objects.create(workspace=workspace, user=by, role=Role.OWNER)
    record("workspace.create", by=by, workspace=workspace, subject=name)
    for furnish in NEW_WORKSPACE:
        furnish(workspace)
    return workspace


@transaction.atomic
def set_member(workspace: Workspace, username: str, role: str, *, by: User) -> Membership:
    """Add a member or change their role; the last owner cannot be made less."""
    require(Role.OWNER, workspace, by)
    if role not in Role.values:
        raise BadInput(f"{role!r} is not a role; there are {', '.join(Role.values)}.", field="role")
    person = User.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise BadInput(f"There is no active user named {username!r}.", field="username")
    if role != Role.OWNER:
        _keep_an_owner(workspace, person)
    membership, _ = Membership.objects.update_or_create(workspace=workspace, user=person, defaults={"role": role})
    record("member.set", by=by, workspace=workspace, subject=username, role=role)
    return membership


@transaction.atomic
def remove_member(membership: Membership, *, by: User) -> None:
    require(Role.OWNER, membership.workspace, by)
    _keep_an_owner(membership.workspace, membership.user)
    record("member.remove", by=by, workspace=membership.workspace, subject=membership.user)
    membership.delete()


def _keep_an_owner(workspace: Workspace, leaving: User) -> None:
    owners = workspace.memberships.select_for_update().filter(role=Role.OWNER)
    if {owner.user_id for owner in owners} == {leaving.pk}:
        raise Conflict(f"{leaving} is the last owner of {workspace}; make somebody else an owner first.")


@transaction.atomic
def create_token(
    user: User, name: str, *, expires_at: datetime | None = None, by: User | None = None
) -> tuple[ApiToken, str]:
    """The token's row, and the secret: this is the only time that anybody sees it."""
    if not name.strip():
        raise BadInput("A token needs a name, so that you know later which one to revoke.", field="name")
    secret = new_secret(ApiToken.PREFIX)
    token = ApiToken.objects.create(
        user=user, name=name.strip()[:100], digest=digest_of(secret), hint=secret[:10], expires_at=expires_at
    )
    record("token.create", by=by or user, subject=token)
    return token, secret


@transaction.atomic
def revoke_token(token: ApiToken, *, by: User) -> None:
    """From the next request on it opens nothing. Revoking twice changes nothing."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now()):
        record("token.revoke", by=by, subject=token)


@transaction.atomic
def create_administrator(username: str, password: str) -> User:
    """The first administrator, with the workspace `default`."""
    person = User(username=username, is_staff=True, is_superuser=True)
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise BadInput(
            f"The administrator's password was refused: {' '.join(error.messages)}", field="password"
        ) from None
    person.set_password(password)
    try:
        person.save()
    except IntegrityError:
        raise Conflict(f"There is a user named {username} already.") from None
    if not Workspace.objects.filter(name="default").exists():
        create_workspace("default", description="The workspace that is there from the start", by=person)
    return person
