"""For whom and by whom something is moved."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError

from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.errors import BadInput


def workspace_named(name: str) -> Workspace:
    try:
        found = Workspace.objects.filter(name=name).first()
    except DatabaseError as error:
        raise BadInput(
            f"There is no portal in {settings.HOME}, or its database does not answer ({str(error).partition(chr(10))[0]});"
            " MLPORTAL_HOME and DATABASE_URL say where it is."
        ) from None
    if found is None:
        there = ", ".join(Workspace.objects.order_by("name").values_list("name", flat=True)[:20])
        raise BadInput(f"There is no workspace {name[:63]!r}; there are {there or 'none'}.", field="workspace")
    return found


def actor(workspace: Workspace, username: str) -> User:
    """The person of this name, or the workspace's first owner; NotAllowed for who may not write there."""
    if username:
        person = User.objects.filter(username=username, is_active=True).first()
        if person is None:
            raise BadInput(f"There is no active user named {username!r:.150}.", field="by")
    else:
        owners = User.objects.filter(memberships__workspace=workspace, memberships__role=Role.OWNER, is_active=True)
        person = owners.order_by("memberships__pk").first()
        if person is None:
            raise BadInput(f"{workspace.name} has no owner; say with --by who does it.", field="by")
    require(Role.CONTRIBUTOR, workspace, person)
    return person
