"""How much the services of this gateway have to do, for the supervisor that gives them replicas."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from django.db import DatabaseError, close_old_connections
from django.db.models import Sum
from django.db.models.functions import Now

from experiments.querysets.runs import from_now
from mlportal.uid import new_uid
from models_registry.models import Deployment, ServiceLoad

logger = logging.getLogger(__name__)
SAMPLE_SECONDS = 0.05
WRITE_SECONDS = 1.0
FORGET_SECONDS = 600.0
OLD_SECONDS = 3.0  # a gateway that has said nothing for so long has nothing to do, or is gone


class LoadMeter:
    """Counts the requests that are inside, often, for as long as there are any. Belongs to one event loop."""

    def __init__(self, inside: Callable[[], Mapping[str, int]], executor: Executor) -> None:
        self.gateway = new_uid()
        self._inside = inside
        self._executor = executor
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """A request has come."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        known: set[str] = set()
        while True:
            means = await self._measure()
            known |= means.keys()
            written = {service: means.get(service, 0.0) for service in known}
            try:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._executor, write_loads, self.gateway, written)
            except DatabaseError as error:  # then there are as many replicas as there were
                logger.warning("The load was not written: %s", error)
            if not means:
                return
            known = set(means)

    async def _measure(self) -> dict[str, float]:
        """{service: its requests at once}, on average of a second; without those that had none."""
        sums: Counter[str] = Counter()
        samples, end = 0, time.monotonic() + WRITE_SECONDS
        while time.monotonic() < end:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples += 1
            sums.update(self._inside())
        return {service: total / samples for service, total in sums.items() if total}


def write_loads(gateway: str, means: Mapping[str, float]) -> None:
    """Loads of services that are gone are dropped."""
    close_old_connections()
    for pk in Deployment.objects.filter(pk__in=list(means), max_replicas__gt=1).values_list("pk", flat=True):
        _, is_new = ServiceLoad.objects.update_or_create(
            deployment_id=pk, gateway=gateway, defaults={"in_flight": means[str(pk)], "at": Now()}
        )
        if is_new:
            ServiceLoad.objects.filter(deployment=pk, at__lt=from_now(-FORGET_SECONDS)).delete()


def loads() -> dict[int, float]:
    """{deployment: requests at once, in all gateways together}."""
    recent = ServiceLoad.objects.filter(at__gt=from_now(-OLD_SECONDS)).order_by()
    return {row["deployment"]: row["load"] for row in recent.values("deployment").annotate(load=Sum("in_flight"))}
