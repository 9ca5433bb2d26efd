"""Short rounds, in each of which the servers get the same load one after the other, so that what else the machine does meets all."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.serving import load
from benchmarks.serving.processes import cpu_seconds, machine_seconds
from benchmarks.serving.server import DidNotServe, Server
from benchmarks.tracking.calls import say

WARM_SECONDS = 1
QUIET = 0.2  # processors


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
    wrk; `busiest`: of the process that took most; `others`: how many processors all that is neither the server nor wrk kept busy."""

    loaded: load.Loaded
    cpu: dict[str, float]
    busiest: float
    others: float

    def kept(self) -> dict[str, Any]:
        return {**self.loaded.kept(), "cpu_per_1000": self.cpu, "busiest_per_1000": self.busiest, "others": self.others}


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
        for each in LOADS:
            for server in [*servers[first:], *servers[:first]]:
                found[server.name, each].append(once(server, each, seconds))
    for server in servers:
        server.check()
    return found


def once(server: Server, asked: Load, seconds: int) -> Round:
    parts = server.parts()
    used = {process: cpu_seconds([process]) for processes in parts.values() for process in processes}
    busy = machine_seconds()
    loaded = load.run(server.call(server.model.rows[: asked.rows]), asked.connections, seconds)
    busy = machine_seconds() - busy
    # One that has ended meanwhile took nothing that is known any more.
    each = {process: max(0.0, cpu_seconds([process]) - before) for process, before in used.items()}
    took = {name: sum(each[process] for process in processes) for name, processes in parts.items()}
    took["wrk"] = loaded.cpu
    if not loaded.requests:
        raise DidNotServe(f"{server.name} answered nothing under the load {asked.name}")
    return Round(
        loaded,
        {name: value / loaded.requests * 1000 for name, value in took.items()},
        max(each.values()) / loaded.requests * 1000,
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


def busy(found: Measured) -> float:
    """How many processors something else kept busy, in the median."""
    return statistics.median(each.others for rounds in found.values() for each in rounds)


def told(found: Measured) -> None:
    """A table for people: what each did, and where the time went. `most`: what its busiest process could do alone on a processor."""
    for each in LOADS:
        print(f"{each.name}, {each.connections} connections; at the end: seconds of the processor for 1,000 requests")
        for (name, of), rounds in found.items():
            if of is each:
                middle = median(rounds)
                cpu = {part: statistics.median(one.cpu[part] for one in rounds) for part in rounds[0].cpu}
                busiest = statistics.median(one.busiest for one in rounds)
                print(
                    f"  {name:<18} {middle.rate:7.0f}/s  p50 {middle.p50:6.2f} ms  p99 {middle.p99:7.2f} ms  "
                    f"failed {middle.failed}  most {1000 / max(busiest, 0.001):6.0f}/s  "
                    + "  ".join(f"{part} {value:.3f}" for part, value in cpu.items())
                )
    if (others := busy(found)) > QUIET:
        print(
            f"Something else kept {others:.1f} of {psutil.cpu_count()} processors busy: all rates are lower than they could be."
        )
