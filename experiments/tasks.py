"""Celery's entry points: ids in, one call out. What takes long is handed to a crew, so that Celery's threads stay free."""

from celery import shared_task

from experiments.models import ComputeTarget, EnvironmentBuild, Run
from experiments.services import building, crew, dispatch, preparing, purging, reaping, retention, working


@shared_task(name=dispatch.PREPARE)
def prepare(run_id: int) -> None:
    preparing.prepare(Run.objects.get(pk=run_id), carry_out=lambda build: _have_built(build.pk))


@shared_task(name=dispatch.BUILD)
def build(build_id: int) -> None:
    _have_built(build_id)


@shared_task(name=dispatch.TAKE_NEXT)
def take_next(target_id: int) -> None:
    crew.followers.do(
        (dispatch.TAKE_NEXT, target_id), lambda: working.take_next(ComputeTarget.objects.get(pk=target_id))
    )


@shared_task(name=dispatch.FOLLOW)
def follow(run_id: int) -> None:
    crew.followers.do((dispatch.FOLLOW, run_id), lambda: working.adopt(Run.objects.get(pk=run_id)), rank=crew.FIRST)


@shared_task(name="experiments.reap")
def reap() -> None:
    reaping.reap()


@shared_task(name="experiments.sweep")
def sweep() -> None:
    reaping.sweep()


@shared_task(name="experiments.tidy")
def tidy() -> None:
    crew.tidiers.do("tidy", _tidy)


@shared_task(name=purging.PURGE)
def purge() -> None:
    crew.tidiers.do(purging.PURGE, purging.resume)


def _tidy() -> None:
    retention.apply_all()
    purging.expire()


def _have_built(build_id: int) -> None:
    crew.builders.do((dispatch.BUILD, build_id), lambda: building.carry_out(EnvironmentBuild.objects.get(pk=build_id)))
