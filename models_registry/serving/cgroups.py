"""Control groups (version 2) for replicas: memory and processor time of all their processes together, kept by the kernel.

Only where a part of the tree is given to this portal: by systemd (`Delegate=yes`), by its owner, or as the root of a
container that may write it. https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)
OWN_CGROUP = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
NEEDED = ("memory", "cpu")
LEAF, PREFIX = "portal", "replica-"
PERIOD = 100_000  # microseconds


@dataclass(frozen=True, slots=True)
class Group:
    """The group of one replica. Its process joins by itself, before it loads anything."""

    path: Path

    def oom_kills(self) -> int:
        """How many of its processes the kernel has ended for memory."""
        found = re.search(r"^oom_kill (\d+)$", _read(self.path / "memory.events"), re.M)
        return int(found[1]) if found else 0

    def peak(self) -> int | None:
        """The most memory that all its processes had together, where the kernel (5.19 and up) says so."""
        text = _read(self.path / "memory.peak").strip()
        return int(text) if text.isdigit() else None

    def remove(self) -> None:
        """What of it still runs is ended."""
        with contextlib.suppress(OSError):
            (self.path / "cgroup.kill").write_text("1")
        try:
            self.path.rmdir()
        except OSError as error:  # its last process is about to end: the next supervisor removes it
            logger.debug("%s stays for now: %s", self.path, error)


def make_group(name: str, memory_bytes: int | None, cores: float | None) -> Group | None:
    """A group with these limits; None where none can be made."""
    above = root()
    if above is None:
        return None
    group = Group(above / f"{PREFIX}{name}")
    limits = {"memory.oom.group": "1"}  # a replica without one of its processes is of no use
    if memory_bytes:
        limits |= {"memory.max": str(memory_bytes), "memory.swap.max": "0"}
    if cores:
        limits["cpu.max"] = f"{max(1000, round(cores * PERIOD))} {PERIOD}"
    try:
        group.path.mkdir()
        for file, value in limits.items():
            if file != "memory.swap.max" or (group.path / file).exists():  # no such file without swap in the kernel
                (group.path / file).write_text(value)
    except OSError as error:
        logger.warning("No control group for a replica: %s", error)
        group.remove()
        return None
    return group


@cache
def root() -> Path | None:
    """Below it groups of replicas are made; None where this portal may not."""
    if not settings.SERVICE_CGROUPS:
        return None
    found = find_root(OWN_CGROUP, MOUNT)
    if found is not None:
        for old in found.glob(f"{PREFIX}*"):  # of a supervisor that was killed
            Group(old).remove()
    return found


def find_root(own_cgroup: Path, mount: Path) -> Path | None:
    """The group that is given to this portal, made ready: processes in a leaf, controllers on for the groups beside it."""
    line = next((line for line in _read(own_cgroup).splitlines() if line.startswith("0::")), None)
    if line is None:
        return None
    own = mount / line[3:].lstrip("/")
    for place in (own.parent, own) if own != mount else (own,):
        if set(NEEDED) <= set(_read(place / "cgroup.controllers").split()) and _is_given(place, mount):
            try:
                _make_ready(place)
            except OSError as error:
                logger.info("No control groups for replicas below %s: %s", place, error)
                continue
            return place
    return None


def _is_given(place: Path, mount: Path) -> bool:
    """Whether somebody meant this portal to make groups there: being able to, as root is everywhere, says nothing."""
    if not os.access(place / "cgroup.subtree_control", os.W_OK):
        return False
    if place == mount:
        return (place / "cgroup.type").exists()  # the machine's own root has no such file, a container's has
    if os.geteuid() != 0:
        return True
    return any(_attribute(place, name) for name in ("trusted.delegate", "user.delegate"))


def _attribute(place: Path, name: str) -> bool:
    try:
        return os.getxattr(place, name) == b"1"
    except OSError:
        return False


def _make_ready(place: Path) -> None:
    """A group with processes of its own cannot limit groups below it: its processes go into a leaf."""
    pids = _read(place / "cgroup.procs").split()
    if pids:
        (place / LEAF).mkdir(exist_ok=True)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (place / LEAF / "cgroup.procs").write_text(pid)
    (place / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in NEEDED))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
