"""What each of the portal's processes does, from its first line to its last; see the table in the design."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence

from django.conf import settings

from mlportal.node import node_name
from mlportal.processes import STOP, harden

logger = logging.getLogger(__name__)


def web() -> None:
    """Pages, JSON API, event streams and the gateway, by uvicorn on uvloop."""
    import uvicorn

    from mlportal.http_limits import LimitedProtocol

    harden()
    host, _, port = settings.BIND.rpartition(":")
    uvicorn.run(
        "mlportal.asgi:application",
        host=host.strip("[]"),
        port=int(port),
        loop="uvloop",
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the application reads them where they count
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def worker(targets: Sequence[str] | None = None) -> None:
    """A Celery worker for these compute targets, or for all that there are at any time.

    Its own threads do what is short; crews follow runs and build.
    """
    from celery.exceptions import SecurityWarning
    from celery.signals import worker_ready, worker_shutting_down

    from experiments.services import working
    from mlportal.celery import app
    from mlportal.queues import Queues

    harden()
    if os.geteuid() == 0:
        # Celery says so, too, and advises an option that this command does not have.
        warnings.filterwarnings("ignore", category=SecurityWarning)
        logger.warning(
            "The worker runs as root, and so do the scripts of all members. Give the portal a user of its own."
        )
    worker_ready.connect(lambda sender, **kwargs: working.arrive(targets, Queues(sender).take), weak=False)
    worker_shutting_down.connect(lambda **kwargs: STOP.set(), weak=False)
    queues = [
        settings.CELERY_TASK_DEFAULT_QUEUE,
        f"node.{node_name()}",
    ]  # those of the targets are added when it is ready
    arguments = ["worker", "--pool=threads", f"--concurrency={settings.SHORT_TASKS}", f"--queues={','.join(queues)}"]
    try:
        app.worker_main([*arguments, "--loglevel=INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"])
    finally:
        working.leave()


def beat() -> None:
    """Celery beat. Its schedule is short and fixed, so its file is only a convenience and may be lost."""
    from mlportal.celery import app

    harden()
    app.Beat(schedule=str(settings.HOME / "beat-schedule"), loglevel="WARNING", quiet=True).run()


def serving() -> None:
    """Keeps model workers equal to what the deployments ask for."""
    from models_registry.serving.supervisor import serve_forever

    harden()
    serve_forever()
