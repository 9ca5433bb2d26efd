"""What the rounds are judged by."""

from __future__ import annotations

from benchmarks.figures import Figure
from benchmarks.serving.peers import GATHERING, PEERS
from benchmarks.serving.rounds import HUNDRED_AT_16, LOADS, ONE_AT_1, ONE_AT_16, Measured, median

TIMES_THE_BEST = {ONE_AT_16: 5.0, ONE_AT_1: 1.8, HUNDRED_AT_16: 5.0}
TIMES_BARE = {ONE_AT_16: 1.7}


def judged(found: Measured) -> list[Figure]:
    """Those whose both sides were measured."""
    middle = {key: median(rounds) for key, rounds in found.items() if rounds}
    measured = [name for name in {**PEERS, **GATHERING} if (name, ONE_AT_16) in middle]
    figures = []
    for load in LOADS:
        ours = middle.get(("ours", load))
        if ours is None:
            return []
        if measured:
            best = max(measured, key=lambda name: middle[name, load].rate)
            figures.append(
                _rate(f"{load.name}.best_peer", ours.rate, middle[best, load].rate, TIMES_THE_BEST[load], best)
            )
        if load in TIMES_BARE and ("bare", load) in middle:
            figures.append(_rate(f"{load.name}.bare", ours.rate, middle["bare", load].rate, TIMES_BARE[load], "bare"))
    if measured:
        quickest = min(measured, key=lambda name: middle[name, ONE_AT_16].p50)
        theirs, slow = middle[quickest, ONE_AT_16].p50, middle["ours", ONE_AT_16].p99
        figures.append(Figure("one_row_16.p99", slow, theirs, "ms", peer=theirs, note=f"peer: the p50 of {quickest}"))
    failed = {name: sum(middle[name, load].failed for load in LOADS) for name, _ in middle}
    mine = failed.pop("ours")
    figures.append(Figure("failed", mine, 0, "", note="requests of ours in all rounds"))
    if failed:  # a peer that refuses what is asked may look fast
        figures.append(Figure("failed_of_peers", sum(failed.values()), 0, "", note=f"{failed}"))
    return figures


def _rate(name: str, ours: float, peer: float, times: float, who: str) -> Figure:
    return Figure(name, ours, peer * times, "/s", peer=peer, more=True, note=f"peer: {who}; bar: {times:g} times it")
