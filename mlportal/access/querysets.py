"""The one door to everything that belongs to a workspace."""

from typing import Any, Self, TypeVar

from django.apps import apps
from django.db import models
from django.db.models import Exists, QuerySet

M = TypeVar("M", bound=models.Model, covariant=True)


class WorkspaceScoped(QuerySet[M]):
    """Rows of a workspace, reachable through `visible_to` only.

    `workspace_path` is the lookup that leads from the row to its workspace.
    """

    workspace_path = "workspace"

    def visible_to(self, principal: Any, workspace: Any = None) -> Self:
        """What this person may see: all of an administrator's, the members' own, nothing for a stranger or a run's token.

        Of one workspace, when it is given: then membership is looked up once, and not for each of a hundred thousand rows.
        """
        there = self if workspace is None else self.in_workspace(workspace)
        if getattr(principal, "is_superuser", False) and principal.is_active:
            return there
        if not isinstance(principal, apps.get_model("access", "User")) or not principal.is_active:
            return self.none()
        memberships = apps.get_model("access", "Membership").objects.filter(user=principal)
        if workspace is not None:
            return there.filter(Exists(memberships.filter(workspace=workspace)))
        return there.filter(**{f"{self.workspace_path}__in": memberships.values("workspace")})

    def in_workspace(self, workspace: Any) -> Self:
        return self.filter(**{self.workspace_path: workspace})


class ReadByRuns(WorkspaceScoped[M]):
    """What a running script sees, too, all that its workspace has; the permissions let it look, and change nothing."""

    def visible_to(self, principal: Any, workspace: Any = None) -> Self:
        from mlportal.access.principals import RunPrincipal

        if isinstance(principal, RunPrincipal):
            there = self if workspace is None else self.in_workspace(workspace)
            return there.in_workspace(principal.workspace_id)
        return super().visible_to(principal, workspace)
