"""The page that watches a service."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from mlportal.pages import WorkspaceRequest, workspace_view
from models_registry.models import Deployment
from models_registry.services.monitoring import ranges


@require_safe
@workspace_view
def monitoring(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """Charts, which its script draws and keeps up to date. `?range=`, or `?from=` and `?to=`."""
    found = _deployment(request, name)
    chosen = request.GET.get("range", "")
    named = [each[0] for each in ranges()]
    fixed = bool(request.GET.get("from") or request.GET.get("to"))
    context = {
        "deployment": found,
        "ranges": ranges(),
        "chosen": "" if fixed else chosen if chosen in named else named[0],
        "data": {
            "api": f"/api/v1/workspaces/{workspace}/deployments/{found.name}/",
            "ranges": {short: seconds for short, _, seconds in ranges()},
            "usual": named[0],
        },
    }
    return render(request, "models_registry/monitoring.html", context)


def _deployment(request: WorkspaceRequest, name: str) -> Deployment:
    rows = Deployment.objects.visible_to(request.user).in_workspace(request.workspace)
    return get_object_or_404(rows.select_related("workspace", "revision", "live_revision"), name=name)
