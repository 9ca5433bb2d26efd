"""Takes a call to a replica of a service: choice, retry, waiting for a replacement, deadline.

The one place where requests of a service meet, so that batching can be put here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from models_registry.serving import protocol
from models_registry.serving.gateway import errors
from models_registry.serving.gateway.connections import Pool, ReplicaAbsent, ReplicaLost
from models_registry.serving.gateway.contracts import Limits, Route, Routes

# A request that was with two replicas when they died may be what killed them: it is not given a third.
MAX_LOST = 2
RETRY_PAUSE = 0.05


class Dispatcher:
    """Calls models. Belongs to one event loop."""

    def __init__(self, routes: Routes, limits: Limits) -> None:
        self.routes = routes
        self.limits = limits
        self._pools: dict[Path, Pool] = {}
        self._inside: Counter[str] = Counter()

    async def call(self, route: Route, method: str, payload: Any, *, deadline: float | None = None) -> Any:
        """What `method` of the model answers to `payload`: an array, or a JSON value.

        `payload` is a numeric array or {"rows": […]}. Calls have no effect on a model, so one that is lost with its
        replica is sent again. Raises a GatewayError.
        """
        if self._inside[route.deployment_id] >= self.limits.waiting:
            raise errors.TooManyRequests(f"{self.limits.waiting} requests wait for this service already")
        self._inside[route.deployment_id] += 1
        seconds = deadline or self.limits.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                return self._result(await self._call(route, method, payload))
        except TimeoutError:
            raise errors.DeadlineExceeded(f"The model did not answer within {seconds:g} s") from None
        except protocol.ProtocolError as error:
            raise errors.ModelFailed(f"The answer of the model cannot be used: {error}") from None
        finally:
            self._inside[route.deployment_id] -= 1
            if not self._inside[route.deployment_id]:
                del self._inside[route.deployment_id]

    async def _call(self, route: Route, method: str, payload: Any) -> protocol.Message:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self.limits.replica_seconds
        lost = 0
        while True:
            for pool in sorted(map(self._pool, route.replicas), key=lambda pool: pool.load):
                try:
                    return await pool.call(method, payload)
                except ReplicaAbsent:
                    self._forget(pool)
                except ReplicaLost:
                    self._forget(pool)
                    lost += 1
                    if lost == MAX_LOST:
                        raise errors.ReplicaCrashed("The model ended while it worked on this request, twice") from None
            if loop.time() >= give_up_at:
                raise errors.NotReady("No replica of this service is ready")
            await asyncio.sleep(RETRY_PAUSE)
            current = self.routes.lookup(route.workspace, route.name)
            if current is None:
                raise errors.UnknownService(f"There is no service {route.name} any more")
            route = current

    def _pool(self, path: Path) -> Pool:
        if path not in self._pools:
            self._pools[path] = Pool(path, self.limits.connections, self.limits.answer_bytes)
        return self._pools[path]

    def _forget(self, pool: Pool) -> None:
        pool.close()
        if self._pools.get(pool.path) is pool and not pool.load:
            del self._pools[pool.path]

    def _result(self, answer: protocol.Message) -> Any:
        if answer.kind != protocol.ERROR:
            return answer.payload
        if answer.name == "bad_input":
            raise errors.BadInput(answer.payload)
        if answer.name == "no_method":
            raise errors.NoMethod(answer.payload)
        raise errors.ModelFailed(answer.payload)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
