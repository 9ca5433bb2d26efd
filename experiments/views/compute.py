from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from experiments import services
from experiments.forms import TargetChangeForm, TargetForm
from experiments.models import ComputeTarget
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, fragment, workspace_view


@require_safe
@workspace_view
def compute(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    targets = services.compute_overview(request.workspace)
    for target in targets:
        target["free"] = max(0, target["slots"] - target["busy"])
        target["percent"] = min(100, round(100 * target["busy"] / max(1, target["slots"])))
    context = {"targets": targets, "may_change": request.role.includes(Role.CONTRIBUTOR)}
    return fragment(request, "experiments/compute.html", "experiments/compute_targets.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_view
def new(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """A target of this workspace."""
    require(Role.CONTRIBUTOR, request.workspace, request.user)
    form = TargetForm(request.POST or None)
    if form.is_valid():
        try:
            target = services.create_target(request.workspace, **form.cleaned_data, by=request.user)
        except (BadInput, Conflict) as error:
            form.refuse(error)
        else:
            messages.success(request, f"{target} is there; its runs start as soon as a machine serves it.")
            return redirect("compute", workspace)
    return render(request, "experiments/compute_target.html", {"form": form}, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_view
def edit(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    target = _own(request, name)
    require(Role.CONTRIBUTOR, request.workspace, request.user)
    asked = {"slots": target.slots, "description": target.description}
    form = TargetChangeForm(request.POST or None, initial=asked)
    if form.is_valid():
        try:
            services.update_target(target, **form.cleaned_data, by=request.user)
        except BadInput as error:
            form.refuse(error)
        else:
            messages.success(request, "Saved.")
            return redirect("compute", workspace)
    context = {"form": form, "target": target}
    return render(request, "experiments/compute_target.html", context, status=400 if form.errors else 200)


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    try:
        services.delete_target(_own(request, name), by=request.user)
    except Conflict as error:
        messages.error(request, error.message)
        return redirect("compute-target", workspace, name)
    messages.success(request, f"The compute target {name} is deleted.")
    return redirect("compute", workspace)


def _own(request: WorkspaceRequest, name: str) -> ComputeTarget:
    """Shared targets are changed in the administration."""
    own = ComputeTarget.objects.there().filter(workspace=request.workspace).select_related("workspace")
    return get_object_or_404(own, name=name)
