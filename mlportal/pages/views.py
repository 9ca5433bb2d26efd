from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from mlportal.pages.workspaces import PageRequest, last_workspace


@require_safe
@login_required
def home(request: PageRequest) -> HttpResponse:
    """The overview of the workspace that the person was in last, or of their first one."""
    workspace = last_workspace(request)
    return redirect(workspace) if workspace else render(request, "access/no_workspace.html")
