"""What each of the portal's processes does, from its first line to its last; see the table in the design."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from mlportal.node import node_name
from mlportal.processes import STOP, harden


def web() -> None:
    """Pages, JSON API, event streams and the gateway, by uvicorn on uvloop."""
    import uvicorn

    harden()
    host, _, port = settings.BIND.rpartition(":")
    uvicorn.run(
        "mlportal.asgi:application",
        host=host.strip("[]"),
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def worker(targets: Sequence[str] = ("local",)) -> None:
    """A Celery worker for these compute targets: threads, because most of them sleep and follow."""
    from celery.signals import worker_ready, worker_shutting_down

    from experiments.services import working
    from mlportal.celery import app

    harden()
    worker_ready.connect(lambda **kwargs: working.arrive(targets), weak=False)
    worker_shutting_down.connect(lambda **kwargs: STOP.set(), weak=False)
    queues = [settings.CELERY_TASK_DEFAULT_QUEUE, f"node.{node_name()}", *(f"compute.{name}" for name in targets)]
    arguments = ["worker", "--pool=threads", f"--concurrency={settings.WORKER_THREADS}", f"--queues={','.join(queues)}"]
    app.worker_main([*arguments, "--loglevel=INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"])


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
