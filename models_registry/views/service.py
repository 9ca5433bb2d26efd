"""The service that a page is about."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from mlportal.pages import WorkspaceRequest
from models_registry.models import Deployment, ModelVersion


def choices_of(found: Deployment) -> QuerySet[ModelVersion]:
    """The versions that may take the place of the one that it is made of; none for several models."""
    models = [version.model_id for version in found.revision.versions]
    versions = ModelVersion.objects.select_related("model__workspace", "environment_version")
    return versions.filter(model__in=models) if len(models) == 1 else versions.none()


def deployments_of(request: WorkspaceRequest) -> QuerySet[Deployment]:
    rows = Deployment.objects.visible_to(request.user, request.workspace)
    related = rows.select_related("workspace", "revision", "live_revision", "candidate", "standby", "created_by")
    return related.prefetch_related("revision__parts__version__model__workspace", "drift_reports")


def deployment_of(request: WorkspaceRequest, name: str) -> Deployment:
    related = deployments_of(request).select_related(
        "revision__environment_version__environment__workspace", "revision__snapshot", "golden_replay__refused"
    )
    return get_object_or_404(related, name=name)
