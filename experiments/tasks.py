"""Celery's entry points: ids in, one call out."""

from celery import shared_task

from experiments.models import ComputeTarget, EnvironmentBuild, Run
from experiments.services import building, dispatch, preparing, reaping, working


@shared_task(name=dispatch.PREPARE)
def prepare(run_id: int) -> None:
    preparing.prepare(Run.objects.get(pk=run_id))


@shared_task(name=dispatch.BUILD)
def build(build_id: int) -> None:
    building.carry_out(EnvironmentBuild.objects.get(pk=build_id))


@shared_task(name=dispatch.TAKE_NEXT)
def take_next(target_id: int) -> None:
    working.take_next(ComputeTarget.objects.get(pk=target_id))


@shared_task(name=dispatch.FOLLOW)
def follow(run_id: int) -> None:
    working.adopt(Run.objects.get(pk=run_id))


@shared_task(name="experiments.reap")
def reap() -> None:
    reaping.reap()


@shared_task(name="experiments.sweep")
def sweep() -> None:
    reaping.sweep()
