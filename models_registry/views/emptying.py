from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, workspace_view
from models_registry import services


@require_POST
@workspace_view
def empty(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    try:
        services.empty_workspace(request.workspace, confirm=request.POST.get("confirm", ""), by=request.user)
    except (BadInput, Conflict) as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{workspace} is empty: its experiments, runs, models and services are deleted.")
    return redirect("trash", workspace)
