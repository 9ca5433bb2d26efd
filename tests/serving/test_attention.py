"""Gateway and model worker ask again for a moment where one thing follows the other quickly, and rest otherwise."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import psutil

from models_registry.serving.gateway import Dispatcher, Limits
from models_registry.serving.gateway.attention import SHORT_SECONDS, Attention
from models_registry.serving.replica import Replica
from tests.serving.conftest import IRIS, Memory


def test_after_a_burst_neither_gateway_nor_model_worker_uses_the_processor(memory: Memory, iris: Replica) -> None:
    async def burst_then_rest() -> tuple[float, float]:
        dispatcher = Dispatcher(memory, Limits())
        memory.publish("iris", iris)
        route = memory.routes["iris"]
        try:
            for _ in range(300):
                dispatcher.attention.request_came()
                await dispatcher.call(route, route.main, "predict", np.array(IRIS))
            await asyncio.sleep(0.1)
            worker = psutil.Process(iris.pid)
            before, own = sum(worker.cpu_times()[:2]), time.process_time()
            await asyncio.sleep(0.5)
            assert not dispatcher.attention.is_asking
            return sum(worker.cpu_times()[:2]) - before, time.process_time() - own
        finally:
            dispatcher.close()

    of_worker, of_gateway = asyncio.run(burst_then_rest())
    assert of_worker <= 0.1 and of_gateway <= 0.1  # of half a second


def test_the_loop_asks_only_where_the_same_wait_was_short_before() -> None:
    async def what_happens() -> list[bool]:
        attention, seen = Attention(), []
        attention.is_asking = False
        attention.request_came()
        seen.append(attention.is_asking)  # nobody knows yet how soon models answer
        attention.answer_came()
        seen.append(attention.is_asking)  # at once; but callers have not come soon
        attention.request_came()
        seen.append(attention.is_asking)
        await asyncio.sleep(20 * SHORT_SECONDS)
        seen.append(attention.is_asking)  # nothing came
        return seen

    assert asyncio.run(what_happens()) == [False, False, True, False]
