"""What `make bench-serving` concludes from what it has measured: a bar that is missed is told, a side that is absent is not judged."""

from __future__ import annotations

import pytest

from benchmarks.serving.load import Loaded
from benchmarks.serving.rounds import LOADS, Measured, Round
from benchmarks.serving.speed import judged


def rounds(
    rate: int, *, p50: float = 10, p99: float = 20, status: int = 0, broken: int = 0, wrong: int = 0
) -> list[Round]:
    """One second of it."""
    return [Round(Loaded(rate, 1.0, p50, p99, p99, status, broken, wrong, "", 0.1), {"server": 1.0}, 1.0, 0.0)]


def measured(**servers: list[Round]) -> Measured:
    return {(name, load): found for name, found in servers.items() for load in LOADS}


def test_the_best_peer_counts_and_five_times_its_rate_is_enough() -> None:
    found = measured(ours=rounds(5000), mlserver=rounds(1000), bentoml=rounds(100), bare=rounds(2000))
    figures = {figure.name: figure for figure in judged(found)}
    assert figures["one_row_16.best_peer"].ok
    assert figures["one_row_16.best_peer"].peer == 1000
    assert figures["one_row_16.bare"].ok
    assert figures["one_row_16.best_peer"].line().endswith("ratio=5 bar=5000/s ok")


def test_a_rate_below_the_bar_is_short_and_so_is_a_slow_answer() -> None:
    found = measured(ours=rounds(4999, p99=11), mlserver=rounds(1000, p50=10), bare=rounds(3000))
    short = {figure.name for figure in judged(found) if not figure.ok}
    assert short == {"one_row_16.best_peer", "hundred_rows_16.best_peer", "one_row_16.bare", "one_row_16.p99"}


@pytest.mark.parametrize("failed", [{"status": 1}, {"broken": 1}, {"wrong": 1}])
def test_one_failed_request_is_short_however_fast_the_others_were(failed: dict[str, int]) -> None:
    found = measured(ours=rounds(99999, **failed), mlserver=rounds(1, p50=30))
    assert [figure.name for figure in judged(found) if not figure.ok] == ["failed"]


def test_without_a_peer_nothing_is_said_of_peers() -> None:
    assert [figure.name for figure in judged(measured(ours=rounds(1)))] == ["failed"]
    assert judged(measured(bare=rounds(1))) == []


def test_a_peer_whose_requests_failed_is_told() -> None:
    figures = {
        figure.name: figure for figure in judged(measured(ours=rounds(50), mlserver=rounds(1, p50=99, status=1)))
    }
    assert figures["failed"].ok
    assert not figures["failed_of_peers"].ok
