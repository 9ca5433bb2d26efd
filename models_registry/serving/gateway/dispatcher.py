"""Takes a call to a replica of a service: choice, retry, waiting for a replacement, deadline."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models_registry.serving.gateway import errors
from models_registry.serving.gateway.attention import Attention
from models_registry.serving.gateway.batching import key_of
from models_registry.serving.gateway.connections import Link, ReplicaAbsent, ReplicaLost, Request
from models_registry.serving.gateway.contracts import Limits, Recorder, Route, Routes, Target
from models_registry.serving.gateway.patrol import LOOK_SECONDS, Patrol, Watch
from models_registry.serving.worker import protocol

# A request that was with two replicas when they died may be what killed them: it is not given a third.
MAX_LOST = 2
WHY_SECONDS = 1.5
OUT_OF_MEMORY = "out of memory"  # of replica.py
RETRY_PAUSE = 0.05
READ_BY = ("feature_names", "n_features", "takes")  # what of a model a request is read by


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


def is_unknown(route: Route, target: Target) -> bool:
    """Whether nobody knows yet what the model takes, but somebody is about to."""
    return not target.describe and not target.has_script and (route.is_starting or not target.replicas)


def reads_otherwise(one: Target, other: Target) -> bool:
    """Whether what was read of a request for the one is no use to the other, as far as both are known."""
    known = one.describe and other.describe
    unlike = known and any(one.describe.get(key) != other.describe.get(key) for key in READ_BY)
    return bool(unlike) or one.has_script != other.has_script


def _instead_of(gone: Target, route: Route) -> Target:
    """Another target for a request that was read for one that is gone. Raises NotReady where it would be read otherwise."""
    target = choose(route)
    if reads_otherwise(gone, target):
        raise errors.NotReady(
            f"{target.version} has taken the place of {gone.version}, and takes other rows; send the request again"
        )
    return target


class Dispatcher:
    """Calls models. Belongs to one event loop."""

    def __init__(self, routes: Routes, limits: Limits, recorder: Recorder | None = None) -> None:
        self.routes = routes
        self.limits = limits
        self.patrol = Patrol()
        self.attention = Attention()
        self._measure = recorder.measure_batch if recorder is not None else None
        self._links: dict[Path, Link] = {}
        self._asking: dict[Path, Link] = {}  # for their health: an answer to that does not wait for the model
        self.inside: dict[str, int] = {}  # requests of each service

    def waiting(self, route: Route) -> int:
        """How many requests of the service are inside of the gateway."""
        return self.inside.get(route.deployment_id, 0)

    async def call(
        self,
        route: Route,
        target: Target,
        method: str,
        payload: Any,
        *,
        rows: int | None = None,
        watch: Watch | None = None,
        since: float | None = None,
        moved: Callable[[Target], None] | None = None,
    ) -> Any:
        """What `method` of the target's model answers to `payload`: an array, or a JSON value.

        `payload` is a numeric array, {"rows": […]}, for an entry script Raw, or the Body of one of these; `rows` is how
        many it has, where somebody has counted. Calls have no effect on a model, so one
        that is lost with its replica is sent again; what a script has done by then, nobody knows. `watch` returns when
        the client has left: it is asked of requests that wait. `since` is when that began (the loop's time), if it has.
        `moved` is told of another target that answers, when this one is gone. Raises a GatewayError, ClientGone.
        """
        self._enter(route)
        key = key_of(method, payload, target.describe) if self.limits.batch_rows > 1 else None
        try:
            seconds = self.limits.deadline_seconds
            begin = asyncio.get_running_loop().time() if since is None else since
            request = Request(route, target, method, payload, key, begin, seconds, watch, rows)
            answer = await self._answer(request)
            if moved is not None and request.target.revision != target.revision:
                moved(request.target)
            return answer
        finally:
            self._leave(route)

    async def known(self, route: Route, target: Target, watch: Watch) -> tuple[Route, Target]:
        """Them, as soon as the model has said what it takes: a request that names its columns cannot be read before, and
        would be answered for columns that are mixed up. Raises a GatewayError, ClientGone."""
        self._enter(route)
        now = asyncio.get_running_loop().time()
        request = Request(route, target, "describe", None, None, now, self.limits.deadline_seconds, watch)
        self.patrol.add(request)
        try:
            while is_unknown(request.route, request.target):
                refuse_if_closed(request.route)
                await self._wait_for_another(request)
            return request.route, request.target
        finally:
            self.patrol.remove(request)
            self._leave(route)

    def _enter(self, route: Route) -> None:
        inside = self.inside.get(route.deployment_id, 0)
        if inside >= self.limits.waiting:
            raise errors.TooManyRequests(
                f"{inside} requests wait for this service already (MLPORTAL_SERVICE_WAITING)", limit=self.limits.waiting
            )
        self.inside[route.deployment_id] = inside + 1

    def _leave(self, route: Route) -> None:
        if self.inside[route.deployment_id] == 1:
            del self.inside[route.deployment_id]
        else:
            self.inside[route.deployment_id] -= 1

    async def health(self, route: Route, target: Target, seconds: float) -> Any:
        """What a replica says of itself, also while its model works. Raises a GatewayError."""
        now = asyncio.get_running_loop().time()
        return await self._answer(Request(route, target, "health", None, None, now, seconds))

    async def _answer(self, request: Request) -> Any:
        self.patrol.add(request)
        try:
            answer = await self._ask(request)
        except protocol.TooLarge as error:
            raise errors.ModelFailed(f"The answer of the model is {error} (MLPORTAL_SERVICE_ANSWER)") from None
        except protocol.ProtocolError as error:
            raise errors.ModelFailed(f"The answer of the model cannot be used: {error}") from None
        finally:
            self.patrol.remove(request)
        if answer.kind != protocol.ERROR:
            return answer.payload
        if answer.name == "bad_input":
            raise errors.BadInput(answer.payload)
        if answer.name == "no_method":
            raise errors.NoMethod(answer.payload)
        raise errors.ModelFailed(answer.payload)

    async def _ask(self, request: Request) -> protocol.Message:
        while True:
            route, target = request.route, request.target
            refuse_if_closed(route)
            links = [self._link(path, request.method) for path in target.replicas]
            if len(links) > 1:
                links.sort(key=lambda link: link.load)
            for link in links:
                try:
                    return await link.ask(request)
                except ReplicaAbsent:
                    continue
                except ReplicaLost:
                    request.lost += 1
                    request.key = None
                    if target.has_script and request.method == "run":
                        raise await self._crash(
                            request, "The entry script ended while it worked on this request"
                        ) from None
                    if request.lost == MAX_LOST:
                        raise await self._crash(
                            request, "The model ended while it worked on this request, twice"
                        ) from None
            await self._wait_for_another(request)

    async def _crash(self, request: Request, message: str) -> errors.GatewayError:
        """The error for who sent it. Why a replica ended is known a moment after its end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + WHY_SECONDS
        while loop.time() < end:
            current = self.routes.lookup(request.route.name)
            if current is not None and current.trouble:
                return _out_of_memory(current, message) or errors.ReplicaCrashed(message)
            await asyncio.sleep(RETRY_PAUSE)
        return errors.ReplicaCrashed(message)

    async def _wait_for_another(self, request: Request) -> None:
        """Find where the service is now. Raises NotReady when it has been nowhere for too long."""
        loop = asyncio.get_running_loop()
        waited, route = loop.time() - request.since, request.route
        # Just before the deadline, so that a request that no model has seen is not told that its model was slow.
        patience = request.seconds - 2 * LOOK_SECONDS
        if route.is_starting:
            if waited >= patience:
                raise errors.NotReady(f"The service {route.name} is still being started")
        elif waited >= min(patience, self.limits.replica_seconds):
            if request.lost and (error := _out_of_memory(route, "The model ended while it worked on this request")):
                raise error
            raise errors.NotReady(f"No replica of the service {route.name} is ready")
        request.result = loop.create_future()  # the patrol ends it when the client leaves
        await asyncio.wait([request.result], timeout=RETRY_PAUSE)
        if request.result.done():
            request.result.result()
        current = self.routes.lookup(route.name)
        if current is None:
            raise errors.UnknownService(f"There is no service {route.name} any more")
        request.route = current
        request.target = current.target_of(request.target.revision) or _instead_of(request.target, current)

    def _link(self, path: Path, method: str) -> Link:
        links = self._asking if method == "health" else self._links
        link = links.get(path)
        if link is None:
            told = (self._measure, self.attention) if links is self._links else (None, None)
            link = links[path] = Link(path, self.limits, self._forget, *told)
        return link

    def _forget(self, link: Link) -> None:
        for links in (self._links, self._asking):
            if links.get(link.path) is link:
                del links[link.path]

    def close(self) -> None:
        self.patrol.close()
        for link in [*self._links.values(), *self._asking.values()]:
            link.close()
        self._links.clear()
        self._asking.clear()


def _out_of_memory(route: Route, message: str) -> errors.OutOfMemory | None:
    if OUT_OF_MEMORY not in route.trouble:
        return None
    return errors.OutOfMemory(
        f"{message}: it was out of memory. Send fewer rows at once, or give the service more memory"
    )
