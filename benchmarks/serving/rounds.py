"""Short rounds, in each of which every server gets every load in turn, so that what else the machine does meets all of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.serving import load
from benchmarks.serving.processes import cpu_seconds, machine_seconds
from benchmarks.serving.server import DidNotServe, Server
from benchmarks.tracking.calls import say

WARM_SECONDS = 1


@dataclass(frozen=True)
class Load:
    name: str
    rows: int
    connections: int


ONE_AT_1 = Load("one_row_1", 1, 1)
ONE_AT_16 = Load("one_row_16", 1, 16)
HUNDRED_AT_16 = Load("hundred_rows_16", 100, 16)
LOADS = (ONE_AT_1, ONE_AT_16, HUNDRED_AT_16)


@dataclass(frozen=True)
class Round:
    """What one server did under one load. `cpu`: seconds of the processor for 1,000 requests, by part of the server and of
    wrk; `others`: how many processors all that is neither the server nor wrk kept busy."""

    loaded: load.Loaded
    cpu: dict[str, float]
    others: float

    def kept(self) -> dict[str, Any]:
        return {**self.loaded.kept(), "cpu_per_1000": self.cpu, "others": self.others}


@dataclass(frozen=True)
class Median:
    """Of the rounds: requests a second, and milliseconds."""

    rate: float
    p50: float
    p99: float
    failed: int


Measured = dict[tuple[str, Load], list[Round]]


def measure(servers: Sequence[Server], *, rounds: int, seconds: int) -> Measured:
    for server in servers:
        for each in LOADS:
            load.run(server.call(server.model.rows[: each.rows]), each.connections, WARM_SECONDS)
    found: Measured = {(server.name, each): [] for server in servers for each in LOADS}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        first = number % len(servers)
        for server in [*servers[first:], *servers[:first]]:
            for each in LOADS:
                found[server.name, each].append(once(server, each, seconds))
    for server in servers:
        server.check()
    return found


def once(server: Server, asked: Load, seconds: int) -> Round:
    parts = server.parts()
    used = {name: cpu_seconds(processes) for name, processes in parts.items()}
    busy = machine_seconds()
    loaded = load.run(server.call(server.model.rows[: asked.rows]), asked.connections, seconds)
    busy = machine_seconds() - busy
    took = {name: cpu_seconds(processes) - used[name] for name, processes in parts.items()}
    took["wrk"] = loaded.cpu
    if not loaded.requests:
        raise DidNotServe(f"{server.name} answered nothing under the load {asked.name}")
    return Round(
        loaded,
        {name: value / loaded.requests * 1000 for name, value in took.items()},
        max(0.0, busy - sum(took.values())) / loaded.seconds,
    )


def median(rounds: Sequence[Round]) -> Median:
    loads = [each.loaded for each in rounds]
    return Median(
        statistics.median(each.rate for each in loads),
        statistics.median(each.p50 for each in loads),
        statistics.median(each.p99 for each in loads),
        sum(each.failed for each in loads),
    )


def told(found: Measured) -> None:
    """A table for people: what each did, and where the time went."""
    for each in LOADS:
        print(f"{each.name}: {each.rows} rows, {each.connections} connections")
        for (name, of), rounds in found.items():
            if of is not each:
                continue
            middle = median(rounds)
            cpu = ", ".join(
                f"{part} {statistics.median(one.cpu[part] for one in rounds):.3f}" for part in rounds[0].cpu
            )
            others = statistics.median(one.others for one in rounds)
            print(
                f"  {name:<10} {middle.rate:8.0f}/s  p50 {middle.p50:7.2f} ms  p99 {middle.p99:7.2f} ms  "
                f"failed {middle.failed}  CPU s per 1,000: {cpu}  others took {others:.2f} processors"
            )
