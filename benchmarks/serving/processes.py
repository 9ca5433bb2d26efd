"""What processes use: time of the processor and memory, from /proc."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import psutil


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Of those that live, by user and system."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def machine_seconds() -> float:
    """How long the machine's processors were busy, all of them together."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0))


def proportional_memory(pid: int) -> float:
    """PSS in MB: pages that several processes share count once."""
    return float(psutil.Process(pid).memory_full_info().pss) / (1 << 20)
