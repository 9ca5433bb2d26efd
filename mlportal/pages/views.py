from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from mlportal.access.models import Workspace
from mlportal.pages.workspaces import PageRequest


@require_safe
@login_required
def home(request: PageRequest) -> HttpResponse:
    """The overview of the workspace that the person was in last, or of their first one."""
    workspaces = Workspace.objects.visible_to(request.user)
    last = workspaces.filter(name=request.session.get("workspace", "")).first()
    workspace = last or workspaces.first()
    return redirect(workspace) if workspace else render(request, "access/no_workspace.html")
