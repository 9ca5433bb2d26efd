"""The page on which somebody registers files of their own. It uploads and registers through the API."""

from django.conf import settings
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.http import require_safe

from experiments.models import EnvironmentVersion
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.pages import WorkspaceRequest, workspace_view
from models_registry.models import RegisteredModel
from models_registry.models.registry import Framework

OFFERED = 500


@require_safe
@workspace_view
def new(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """`?model=` proposes the name of a model that gets another version."""
    here = request.workspace
    require(Role.CONTRIBUTOR, here, request.user)
    get_token(request)  # the page's script posts to the API
    versions = EnvironmentVersion.objects.visible_to(request.user, here).select_related("environment")
    newest_first = versions.defer("definition", "lock", "notes").order_by(
        "environment__curated", "environment__name", "-version"
    )
    models = RegisteredModel.objects.visible_to(request.user, here)
    context = {
        "api": f"/api/v1/workspaces/{here.name}/",
        "model": models.filter(name=request.GET.get("model", "").replace("\0", "")).first(),
        "names": models.values_list("name", flat=True)[:OFFERED],
        "environments": newest_first[:OFFERED],
        "frameworks": [
            Framework.SCIKITLEARN.value,
            *(each for each in Framework.values if each != Framework.SCIKITLEARN),
        ],
        "limit": settings.RUN_OUTPUT_BYTES,
    }
    return render(request, "models_registry/model_new.html", context)
