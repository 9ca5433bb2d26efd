"""Messages to workers. A message is only a wake-up: it may get lost (beat sends it again) or come twice (nothing changes)."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from experiments.models import ComputeNode, ComputeTarget, EnvironmentBuild, Run
from experiments.status import RUN_OWNED, RunStatus
from mlportal.celery import app
from mlportal.sender import Sender

logger = logging.getLogger(__name__)
PREPARE, TAKE_NEXT, FOLLOW, BUILD = (
    "experiments.prepare",
    "experiments.take_next",
    "experiments.follow",
    "experiments.build",
)


def send(task: str, *args: Any, queue: str) -> None:
    """Send after the commit. A broker that is away is no error: the row is saved, and beat sends again."""
    if settings.BROKER_URL.startswith("filesystem:"):  # a file is written at once
        transaction.on_commit(partial(_deliver, task, args, queue))
    else:
        transaction.on_commit(partial(_sender.send, task, args, queue, True))


def _deliver(task: str, args: Sequence[Any], queue: str, retry: bool = False) -> None:
    """`retry`: some times, as the connection that is kept may be to a broker that was restarted meanwhile."""
    try:
        app.send_task(task, args=args, queue=queue, retry=retry)
    except (OperationalError, OSError) as error:
        logger.warning("The broker is away (%s); %s%r will be sent again.", error, task, args)


_sender = Sender(_deliver)


def wake(run: Run) -> None:
    """Send the message that the run's status calls for."""
    if run.status in (RunStatus.NOT_STARTED, RunStatus.PREPARING):
        send(PREPARE, run.pk, queue=settings.CELERY_TASK_DEFAULT_QUEUE)
    elif run.status == RunStatus.QUEUED and run.compute_target:
        wake_target(run.compute_target)
    elif run.status in RUN_OWNED:
        send(FOLLOW, run.pk, queue=ComputeNode(name=run.node).queue)
    Run.objects.filter(pk=run.pk).update(woken_at=Now())


def wake_target(target: ComputeTarget) -> None:
    """Somebody who listens to this target: look whether a run waits and a slot is free."""
    send(TAKE_NEXT, target.pk, queue=target.queue)


def wake_builder(build: EnvironmentBuild) -> None:
    queue = ComputeNode(name=build.node).queue if build.node else settings.CELERY_TASK_DEFAULT_QUEUE
    send(BUILD, build.pk, queue=queue)
