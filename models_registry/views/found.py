"""What the address of a page names; 404 where it is not there, or not for the person's eyes."""

from django.shortcuts import get_object_or_404

from mlportal.pages import WorkspaceRequest
from models_registry.models import ModelVersion


def version_of(request: WorkspaceRequest, name: str, number: int) -> ModelVersion:
    here = ModelVersion.objects.visible_to(request.user, request.workspace)
    related = here.select_related(
        "model__workspace",
        "run__experiment",
        "run__workspace",
        "run__snapshot",
        "snapshot",
        "environment_version__environment__workspace",
        "logged_model",
        "created_by",
    )
    return get_object_or_404(related, model__name=name, version=number)
