"""Celery's entry points: ids in, one call out. A look into a hostile model may take minutes: it has a crew of its own."""

from celery import shared_task

from experiments.services.crew import Crew
from models_registry.models import Deployment, ModelVersion
from models_registry.services import inspecting, monitoring

inspectors = Crew("inspector", 2)


@shared_task(name=inspecting.INSPECT)
def inspect(version_id: int) -> None:
    inspectors.do((inspecting.INSPECT, version_id), lambda: inspect_by_number(version_id))


def inspect_by_number(version_id: int) -> None:
    version = ModelVersion.objects.filter(pk=version_id).first()  # it may have been deleted meanwhile
    if version is not None:
        inspecting.inspect_version(version)


@shared_task(name="models_registry.resume")
def resume() -> None:
    inspecting.ask_again()


@shared_task(name="models_registry.watch")
def watch() -> None:
    monitoring.measure_replicas()


@shared_task(name="models_registry.tidy_measures")
def tidy_measures() -> None:
    monitoring.tidy_measures()
    monitoring.tidy_samples()


@shared_task(name=monitoring.COMPARE)
def drift(deployment_id: int) -> None:
    deployment = Deployment.objects.filter(pk=deployment_id).first()
    if deployment is not None:
        monitoring.compare_deployment(deployment)


@shared_task(name="models_registry.drift_everywhere")
def drift_everywhere() -> None:
    monitoring.compare_where_new()
