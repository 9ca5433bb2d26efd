from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from mlportal.pages.workspaces import PageRequest, last_workspace


@require_safe
@login_required
def home(request: PageRequest) -> HttpResponse:
    """The overview of the workspace that the person was in last, or of their first one."""
    workspace = last_workspace(request)
    return redirect(workspace) if workspace else render(request, "access/no_workspace.html")


@require_safe
@cache_control(public=True, max_age=3600)
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask here on pages that name no icon, such as those of the administration."""
    return redirect(static("favicon.svg"))
