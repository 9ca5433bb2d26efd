"""What the registry says of models beside their files, changed from their pages: name, description, tags, aliases, stage."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, workspace_view
from models_registry import services
from models_registry.forms import ModelForm
from models_registry.models import ModelVersion, RegisteredModel


@require_POST
@workspace_view
def edit_model(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _model(request, name)
    form = ModelForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(each) for errors in form.errors.values() for each in errors))
        return redirect(found)
    said = form.cleaned_data
    gone = [tag for tag in found.tags if tag not in said["tags"]]
    try:
        with transaction.atomic():
            services.update_model(
                found, description=said["description"], add_tags=said["tags"], remove_tags=gone, by=request.user
            )
            services.rename_model(found, said["name"], by=request.user)
    except (BadInput, Conflict) as error:
        messages.error(request, error.message)
        found.refresh_from_db(fields=["name"])
    else:
        messages.success(request, "Saved.")
    return redirect(found)


@require_POST
@workspace_view
def add_alias(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    found = _version(request, name, number)
    alias = request.POST.get("alias", "").replace("\0", "").strip()
    before = found.model.aliases.filter(name=alias).select_related("version").first()
    try:
        services.set_alias(found, alias, by=request.user)
    except BadInput as error:
        messages.error(request, error.message)
    else:
        moved = f", and no more to version {before.version.version}" if before and before.version_id != found.pk else ""
        messages.success(request, f"{alias} points to version {number}{moved}.")
    return redirect(found)


@require_POST
@workspace_view
def remove_alias(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    found = _version(request, name, number)
    alias = request.POST.get("alias", "").replace("\0", "")
    services.remove_alias(found.model, alias, by=request.user)
    messages.success(request, f"{alias} points to no version any more.")
    return redirect(found)


@require_POST
@workspace_view
def stage(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    found = _version(request, name, number)
    wanted, archive = request.POST.get("stage", ""), bool(request.POST.get("archive_others"))
    try:
        services.set_stage(found, wanted, archive_others=archive, by=request.user)
    except BadInput as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"Version {number} is in the stage {wanted}.")
    return redirect(found)


def _model(request: WorkspaceRequest, name: str) -> RegisteredModel:
    here = RegisteredModel.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here.select_related("workspace"), name=name)


def _version(request: WorkspaceRequest, name: str, number: int) -> ModelVersion:
    here = ModelVersion.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here.select_related("model__workspace"), model__name=name, version=number)
