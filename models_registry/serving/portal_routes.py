"""What the gateway asks of the portal: which services there are, from the database, and where requests are kept."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.db.models import OuterRef, Prefetch, Subquery

from mlportal.node import node_name
from mlportal.texts import storable
from models_registry.models import Deployment, ModelVersion, RequestLog, Revision, ServiceReplica
from models_registry.services.keys import is_key, pair_of
from models_registry.services.monitoring import keep_measures, keep_samples, watch_of
from models_registry.services.requests import keep_requests
from models_registry.services.schema import described
from models_registry.serving.gateway import RequestRecord, Route, Target
from models_registry.serving.measuring import Measures
from models_registry.serving.sampling import Sample, Samples
from models_registry.status import DeploymentStatus, ReplicaState

logger = logging.getLogger(__name__)
FRESH_SECONDS = 0.5
STALE_SECONDS = 1.0  # older than this is not answered from: a key may have been revoked
MISS_SECONDS = 0.05  # who asks for what is not there cannot make the database work more often
FLUSH_SECONDS = 1.0
EXCERPT_CHARACTERS = 2000
CLOSED: Mapping[str, str] = {
    DeploymentStatus.STOPPED: "The service {} is stopped",
    DeploymentStatus.FAILED: "The service {} has failed and does not run; its page says why",
}


_told_at = float("-inf")


def told() -> None:
    """Somebody was told just now how a service is. Who then asks the service is not answered from what was read before:
    after "Healthy, with version 2" comes no answer of version 1."""
    global _told_at
    _told_at = time.monotonic()


class PortalRoutes:
    """Routes in memory, as old as `FRESH_SECONDS` under load. Belongs to one event loop; nothing is read while idle."""

    def __init__(self) -> None:
        self._routes: Mapping[str, Route] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        # A thread of its own: slow pages must not keep requests from finding their service.
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="routes")

    def lookup(self, name: str) -> Route | None:
        route = self._routes.get(name)
        waited_for = route is None or route.is_starting  # somebody waits for it now
        if time.monotonic() - self._read_at > (MISS_SECONDS if waited_for else FRESH_SECONDS):
            self._start_reading()
        return route

    def is_ready_for(self, name: str) -> bool:
        """Asked before each request: what is in memory is neither too old nor would refuse."""
        age = time.monotonic() - self._read_at
        route = self._routes.get(name)
        refuses = route is None or route.closed or route.elsewhere  # it may have been made or started just now
        return age <= (MISS_SECONDS if refuses else STALE_SECONDS) and self._read_at >= _told_at

    async def be_ready_for(self, name: str) -> None:
        """Waits for the database where `is_ready_for` says no."""
        if not self.is_ready_for(name):
            await asyncio.shield(self._start_reading())
        if self._read_at < _told_at:  # that one had begun before
            await asyncio.shield(self._start_reading())

    def close(self) -> None:
        self.thread.submit(connection.close)
        self.thread.shutdown()

    def _start_reading(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        began = time.monotonic()
        try:
            routes = await asyncio.get_running_loop().run_in_executor(self.thread, read_routes)
        except DatabaseError as error:  # what is known goes on being served
            logger.warning("The database does not answer: %s", error)
        else:
            self._routes = {route.name: route for route in routes}
        self._read_at = began


def read_routes() -> list[Route]:
    """Every service that there is, those that are stopped too: they answer 503, not 404."""
    close_old_connections()
    replicas = Prefetch("replicas", ServiceReplica.objects.exclude(socket="").defer("log", "problem"))
    rows = Deployment.objects.select_related("workspace", "revision", "live_revision", "candidate", "watch")
    models = ModelVersion.objects.filter(parts__revision=OuterRef("live_revision")).order_by()
    rows = rows.annotate(real_row=Subquery(models.values("example")[:1])).prefetch_related(replicas)
    return [route_of(row, getattr(row, "real_row", None)) for row in rows.defer("log")]


def route_of(deployment: Deployment, real_row: Mapping[str, Any] | None = None) -> Route:
    pair = pair_of(deployment)
    replicas = list(deployment.replicas.all()) if deployment.wanted else []
    candidate = deployment.candidate
    node = next((replica.node for replica in replicas), "")
    return Route(
        deployment_id=str(deployment.pk),
        name=deployment.name,
        targets=targets_of(deployment, replicas, real_row),
        shadow=target_of(candidate, replicas, None) if candidate and deployment.mirror_percent else None,
        shadow_percent=deployment.mirror_percent,
        authorize=lambda header: is_key(header, pair),
        auth_enabled=deployment.auth_enabled,
        workspace=deployment.workspace.name,
        is_starting=deployment.status == DeploymentStatus.TRANSITIONING,
        trouble=deployment.failure if deployment.status == DeploymentStatus.UNHEALTHY else "",
        closed=CLOSED.get(deployment.status, "").format(deployment.name),
        elsewhere=node if node and node != node_name() else "",
        sample=watch_of(deployment).sample_percent / 100,
    )


def targets_of(
    deployment: Deployment, replicas: Sequence[ServiceReplica], real_row: Mapping[str, Any] | None
) -> list[Target]:
    """The revision that answers; the one that is coming, where replicas change one by one; and the candidate."""
    live, coming = deployment.live_revision, deployment.revision
    main = target_of(live if live is not None else coming, replicas, real_row)
    mains = [main]
    if live is not None and live != coming and not settings.SERVICE_SURGE:
        mains.append(target_of(coming, replicas, real_row))
    there = sum(len(target.replicas) for target in mains) or 1
    percent = deployment.candidate_percent if deployment.candidate is not None else 0
    targets = [
        replace(target, weight=(100 - percent) * (len(target.replicas) if len(mains) > 1 else there))
        for target in mains
    ]
    if deployment.candidate is not None:
        targets.append(target_of(deployment.candidate, replicas, None, weight=percent * there))
    return targets


def target_of(
    revision: Revision, replicas: Sequence[ServiceReplica], real_row: Mapping[str, Any] | None, weight: int = 100
) -> Target:
    own = [replica for replica in replicas if replica.revision_id == revision.pk]
    # One that leaves or is silent is asked where there is no other: what was read may be a moment old.
    ready = [replica for replica in own if replica.state == ReplicaState.READY] or own
    return Target(
        revision=str(revision.pk),
        version=str(revision),
        replicas=[Path(replica.socket) for replica in ready],
        describe=described(revision.signature or {}, real_row),
        has_script=bool(revision.entry_script),
        weight=weight,
    )


class RequestBuffer:
    """The newest requests of each service, written by a thread every second; bounded, whatever the load. Rows are made by
    that thread, of those that are written alone."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[RequestRecord]] = {}
        self.measures = Measures()
        self.samples = Samples()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, record: RequestRecord) -> None:
        with self._lock:
            log = self._waiting.get(record.deployment_id)
            if log is None:
                log = self._waiting[record.deployment_id] = deque(maxlen=settings.SERVICE_REQUEST_LOG)
            log.append(record)
        self.wake()

    def wake(self) -> None:
        """There is something to write, or there will be."""
        if self._wake.is_set():
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="request-log", daemon=True)
                self._thread.start()
        self._wake.set()

    def flush(self, *, all_of_it: bool = True) -> None:
        """Write what is there; without `all_of_it` the piece of time that is being measured goes on."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        rows = [row_of(record) for log in waiting.values() for record in log]
        if rows:
            keep_requests(rows)
        if samples := self.samples.take():
            keep_samples(samples)
        pieces = self.measures.take(all_of_it=all_of_it)
        if pieces:
            try:
                keep_measures(pieces)
            except DatabaseError:
                self.measures.put_back(pieces)
                raise

    def _write_on(self) -> None:
        while True:
            self._wake.wait(None if self.measures.is_empty else FLUSH_SECONDS)
            self._wake.clear()
            try:
                self.flush(all_of_it=False)
            except DatabaseError as error:  # the request log is a convenience: serving does not wait for it
                logger.warning("Requests were not logged: %s", error)
            except Exception:  # the edge of the thread: without it nothing would be logged any more
                logger.exception("Requests were not logged.")
            finally:
                connection.close()
            time.sleep(FLUSH_SECONDS)


def row_of(record: RequestRecord) -> RequestLog:
    return RequestLog(
        deployment_id=int(record.deployment_id),
        at=datetime.fromtimestamp(record.time, UTC),
        method=storable(record.method)[:60],
        status=record.status,
        latency_ms=record.latency_ms,
        rows=record.rows or 0,
        version=record.version,
        request=storable(record.request)[:EXCERPT_CHARACTERS],
        response=storable(record.response)[:EXCERPT_CHARACTERS],
        error=record.error or "",
    )


class PortalRecorder:
    def __init__(self, buffer: RequestBuffer) -> None:
        self.buffer = buffer
        self.record = buffer.add

    def measure(self, route: Route, target: Target, status: int, seconds: float, rows: int, waiting: int) -> None:
        self.buffer.measures.request(route.deployment_id, target.version, status, seconds, rows, waiting)
        self.buffer.wake()

    def sample(self, route: Route, target: Target, request: str, method: str, payload: Any, result: Any) -> None:
        asked = Sample(
            route.deployment_id, target.version, request, method, time.time(), target.describe, payload, result
        )
        self.buffer.samples.add(asked)

    def measure_batch(self, route: Route, target: Target, requests: int, rows: int, seconds: float) -> None:
        self.buffer.measures.batch(route.deployment_id, target.version, requests, rows, seconds)
