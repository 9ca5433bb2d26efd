"""Copies of requests for a second version, without a portal."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from models_registry.serving.gateway import Limits, Target
from models_registry.serving.gateway.mirror import Mirror, Mirrored, compared
from models_registry.serving.replica import Replica
from tests.serving.conftest import IRIS, Memory

NAMES = ["a", "b", "c", "d"]


@pytest.mark.parametrize(("names", "outcome"), [(NAMES, "same"), (NAMES[::-1], "failed")])
def test_rows_in_the_order_of_one_version_are_not_given_to_one_that_takes_another_order(
    memory: Memory, iris: Replica, names: list[str], outcome: str
) -> None:
    memory.publish("iris", iris, describe={**(iris.describe or {}), "feature_names": NAMES})
    described = {**(iris.describe or {}), "feature_names": names}
    shadow = Target("r2", "2", [iris.socket_path], described)
    route = replace(memory.routes["iris"], shadow=shadow, shadow_percent=100)
    told: list[Mirrored] = []

    async def copy() -> None:
        mirror = Mirror(memory, Limits(), told.append)
        mirror.offer(route, route.main, "predict", np.array(IRIS), 2, b"{}", np.array([0, 2]))
        while not told:
            await asyncio.sleep(0.01)
        mirror.close()

    asyncio.run(asyncio.wait_for(copy(), 20))
    (said,) = told
    assert said.outcome == outcome and bool(said.what) == (outcome == "failed")


def test_answers_of_a_script_that_nest_deeper_than_any_are_different_as_they_are() -> None:
    said = Mirrored("d", "r2", "1", "2", 0.0, "run", "same")
    one, other = (b"[" * 900 + number + b"]" * 900 for number in (b"1", b"2"))
    assert compared(said, one, one).outcome == "same"
    assert compared(said, one, other).outcome == "different"
