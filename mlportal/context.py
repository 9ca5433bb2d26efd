from typing import Any

from django.http import HttpRequest

from mlportal.access.models import User, Workspace


def portal(request: HttpRequest) -> dict[str, Any]:
    """What every page's frame needs: the workspaces to switch between, and the person's role in this one."""
    workspace: Workspace | None = getattr(request, "workspace", None)
    if not isinstance(request.user, User):
        return {"workspace": None, "workspaces": [], "role": None}
    return {
        "workspace": workspace,
        "workspaces": Workspace.objects.visible_to(request.user),
        "role": getattr(request, "role", None) or (workspace.role_of(request.user) if workspace else None),
    }
