"""Takes a call to a replica of a service: choice, retry, waiting for a replacement, deadline.

The one place where requests of a service meet, so that batching can be put here.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

from models_registry.serving import protocol
from models_registry.serving.gateway import errors
from models_registry.serving.gateway.connections import Pool, ReplicaAbsent, ReplicaLost
from models_registry.serving.gateway.contracts import Limits, Recorder, Route, Routes, Target

# A request that was with two replicas when they died may be what killed them: it is not given a third.
MAX_LOST = 2
RETRY_PAUSE = 0.05


def refuse_if_closed(route: Route) -> None:
    """Raises NotRunning or Elsewhere for a service that this gateway does not answer for, however long one waits."""
    if route.closed:
        raise errors.NotRunning(route.closed)
    if route.elsewhere:
        raise errors.Elsewhere(
            f"The service {route.name} is answered by the machine {route.elsewhere}; send the request there",
            node=route.elsewhere,
        )


def choose(route: Route) -> Target:
    """The target for a new request, by weight among those that have a replica."""
    if len(route.targets) == 1:
        return route.main
    ready = [target for target in route.targets if target.replicas and target.weight]
    return random.choices(ready, [target.weight for target in ready])[0] if ready else route.main


class Dispatcher:
    """Calls models. Belongs to one event loop."""

    def __init__(self, routes: Routes, limits: Limits, recorder: Recorder | None = None) -> None:
        self.routes = routes
        self.limits = limits
        self.recorder = recorder
        self._pools: dict[Path, Pool] = {}
        self._inside: Counter[str] = Counter()

    def waiting(self, route: Route) -> int:
        """How many requests of the service are inside of the gateway."""
        return self._inside[route.deployment_id]

    async def call(
        self, route: Route, target: Target, method: str, payload: Any, *, deadline: float | None = None
    ) -> Any:
        """What `method` of the target's model answers to `payload`: an array, or a JSON value.

        `payload` is a numeric array, {"rows": […]}, or for an entry script Raw. Calls have no effect on a model, so one
        that is lost with its replica is sent again; what a script has done by then, nobody knows. Raises a GatewayError.
        """
        if self._inside[route.deployment_id] >= self.limits.waiting:
            raise errors.TooManyRequests(
                f"{self.limits.waiting} requests wait for this service already (MLPORTAL_SERVICE_WAITING)",
                limit=self.limits.waiting,
            )
        self._inside[route.deployment_id] += 1
        seconds = deadline or self.limits.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                return self._result(await self._call(route, target, method, payload, seconds))
        except TimeoutError:
            raise errors.DeadlineExceeded(
                f"The model did not answer within {seconds:g} s (MLPORTAL_SERVICE_TIMEOUT)", limit=seconds
            ) from None
        except protocol.TooLarge as error:
            raise errors.ModelFailed(f"The answer of the model is {error} (MLPORTAL_SERVICE_ANSWER)") from None
        except protocol.ProtocolError as error:
            raise errors.ModelFailed(f"The answer of the model cannot be used: {error}") from None
        finally:
            self._inside[route.deployment_id] -= 1
            if not self._inside[route.deployment_id]:
                del self._inside[route.deployment_id]

    async def _call(self, route: Route, target: Target, method: str, payload: Any, seconds: float) -> protocol.Message:
        loop = asyncio.get_running_loop()
        started = loop.time()
        lost = 0
        while True:
            refuse_if_closed(route)
            for pool in sorted(map(self._pool, target.replicas), key=lambda pool: pool.load):
                began = loop.time()
                try:
                    answer = await pool.call(method, payload)
                except ReplicaAbsent:
                    self._forget(pool)
                except ReplicaLost:
                    self._forget(pool)
                    lost += 1
                    if target.has_script and method == "run":
                        raise errors.ReplicaCrashed("The entry script ended while it worked on this request") from None
                    if lost == MAX_LOST:
                        raise errors.ReplicaCrashed("The model ended while it worked on this request, twice") from None
                else:
                    if self.recorder is not None and method != "health":
                        rows = len(payload) if hasattr(payload, "__len__") else 1
                        self.recorder.measure_batch(route, target, 1, rows, loop.time() - began)
                    return answer
            # Just before the deadline, so that a request that no model has seen is not told that its model was slow.
            patience = seconds - 2 * RETRY_PAUSE
            if route.is_starting:
                if loop.time() - started >= patience:
                    raise errors.NotReady(f"The service {route.name} is still being started")
            elif loop.time() - started >= min(patience, self.limits.replica_seconds):
                raise errors.NotReady(f"No replica of the service {route.name} is ready")
            await asyncio.sleep(RETRY_PAUSE)
            current = self.routes.lookup(route.workspace, route.name)
            if current is None:
                raise errors.UnknownService(f"There is no service {route.name} any more")
            route = current
            target = route.target_of(target.revision) or choose(route)

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
