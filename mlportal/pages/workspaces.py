from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role


class PageRequest(HttpRequest):
    """A request of somebody who is signed in."""

    user: User
    htmx: HtmxDetails


class WorkspaceRequest(PageRequest):
    """A request in a workspace that its person belongs to."""

    workspace: Workspace
    role: Role


def last_workspace(request: PageRequest) -> Workspace | None:
    """The workspace that the person was in last, or their first one (their own before one they administer)."""
    visible = Workspace.objects.visible_to(request.user)
    last = visible.filter(name=request.session.get("workspace", "")).first()
    return last or visible.filter(memberships__user=request.user).first() or visible.first()


def account_view(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For pages that belong to the person: signed in, with the side bar of the workspace that they came from."""

    @login_required
    @wraps(view)
    def guarded(request: WorkspaceRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if workspace := last_workspace(request):
            request.workspace = workspace
        return view(request, *args, **kwargs)

    return guarded


def workspace_view(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For views under `/w/<workspace>/`: signed in, and a member; a stranger gets 404, as where there is nothing.

    The view finds `request.workspace` and `request.role`; the workspace is remembered as the one that `/` leads to.
    """

    @login_required
    @wraps(view)
    def guarded(request: WorkspaceRequest, workspace: str, **kwargs: Any) -> HttpResponseBase:
        request.workspace = get_object_or_404(Workspace.objects.visible_to(request.user), name=workspace)
        role = request.workspace.role_of(request.user)
        if role is None:
            raise Http404
        request.role = role
        if request.session.get("workspace") != workspace:
            request.session["workspace"] = workspace
        return view(request, workspace, **kwargs)

    return guarded
