from django.http import HttpResponse
from django.views.decorators.http import require_safe

from experiments import services
from mlportal.pages import WorkspaceRequest, fragment, workspace_view


@require_safe
@workspace_view
def compute(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    targets = services.compute_overview(request.workspace)
    for target in targets:
        target["free"] = max(0, target["slots"] - target["busy"])
        target["percent"] = min(100, round(100 * target["busy"] / max(1, target["slots"])))
    context = {"targets": targets}
    return fragment(request, "experiments/compute.html", "experiments/compute_targets.html", context)
