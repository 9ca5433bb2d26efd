"""What a replica may use of the machine, and by what that is enforced: a control group where there are any; else rlimits,
a choice of processors, and a look at the memory of all its processes."""

from __future__ import annotations

import itertools
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.runner.processes import descendants
from models_registry.serving.cgroups import Group, make_group

_turn = itertools.count()
ANONYMOUS = re.compile(rb"^(?:RssAnon|RssShmem):\s+(\d+) kB$", re.M)
SHARE = re.compile(rb"^(?:Pss_Anon|Pss_Shmem):\s+(\d+) kB$", re.M)


@dataclass(frozen=True, slots=True)
class Confinement:
    """Of one replica. `cores` is None where nobody said how many: it is then kept by its number of threads alone."""

    memory_bytes: int | None = None
    cores: float | None = None
    threads: int = 1
    group: Group | None = None
    processors: tuple[int, ...] = ()

    @property
    def rlimit_bytes(self) -> int | None:
        return None if self.group else self.memory_bytes

    def excess(self, pid: int) -> str:
        """ "1.2 GB of 1 GB" when the process with all below it has more memory than it may; "" when it has not."""
        if self.group or not self.memory_bytes:
            return ""
        used = memory_of_tree(pid, self.memory_bytes)
        return f"{amount(used)} of {amount(self.memory_bytes)}" if used > self.memory_bytes else ""

    def told(self) -> dict[str, Any]:
        """{memory_bytes, memory_by, cores, cpu_by, processors} for pages and the API."""
        cpu_by = "affinity" if self.processors else "threads"
        return {
            "memory_bytes": self.memory_bytes,
            "memory_by": "cgroup" if self.group else "rlimit",
            "cores": self.cores or self.threads,
            "cpu_by": "cgroup" if self.group and self.cores else cpu_by,
            "processors": list(self.processors),
        }


def confine(name: str, memory_bytes: int | None, cores: float | None) -> Confinement:
    """`cores` as a person has said it, or None."""
    threads = max(1, round(cores or 1))
    group = make_group(name, memory_bytes, cores)
    processors = () if group or not cores else processors_for(cores, sorted(os.sched_getaffinity(0)))
    return Confinement(memory_bytes, cores, threads, group, processors)


def processors_for(cores: float, there: list[int]) -> tuple[int, ...]:
    """As many as it has cores, rounded up; other ones for each replica in turn. All of them: no choice."""
    count = max(1, math.ceil(cores))
    if count >= len(there):
        return ()
    first = next(_turn) * count
    return tuple(sorted(there[(first + n) % len(there)] for n in range(count)))


def memory_of_tree(pid: int, enough: int = 0) -> int:
    """Bytes that the process and all below it have and that belong to no file. What they share is counted once, unless
    even the sum of all is not above `enough`."""
    pids = [pid, *(process.pid for process in descendants(pid))]
    most = sum(_kilobytes(Path(f"/proc/{each}/status"), ANONYMOUS) for each in pids) * 1024
    if most <= enough or len(pids) == 1:
        return most
    return sum(_kilobytes(Path(f"/proc/{each}/smaps_rollup"), SHARE) for each in pids) * 1024


def _kilobytes(path: Path, pattern: re.Pattern[bytes]) -> int:
    try:
        return sum(map(int, pattern.findall(path.read_bytes())))
    except OSError:  # it has ended
        return 0


def amount(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
