"""Celery's entry points: ids in, one call out."""

from celery import shared_task

from models_registry.models import ModelVersion
from models_registry.services import inspecting


@shared_task(name=inspecting.INSPECT)
def inspect(version_id: int) -> None:
    version = ModelVersion.objects.filter(pk=version_id).first()  # it may have been deleted meanwhile
    if version is not None:
        inspecting.inspect_version(version)


@shared_task(name="models_registry.resume")
def resume() -> None:
    inspecting.ask_again()
