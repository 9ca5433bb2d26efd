"""The prctl(2) calls the runner stands on. Each returns False where the system has no such call."""

from __future__ import annotations

import sys

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36

try:
    import ctypes

    _prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
except (ImportError, OSError, AttributeError):
    _prctl = None

HAS_PRCTL = _prctl is not None


def _call(option: int, value: int) -> bool:
    if _prctl is None:
        return False
    # prctl is variadic and reads unsigned longs: a plain int would leave the upper halves undefined.
    arguments = [ctypes.c_ulong(number) for number in (value, 0, 0, 0)]
    return int(_prctl(ctypes.c_int(option), *arguments)) == 0


def die_with_parent(signum: int) -> bool:
    """Have the kernel send `signum` to this process when its parent dies.

    Cleared by a change of credentials: a layer that drops the uid sets it again afterwards.
    """
    return _call(_PR_SET_PDEATHSIG, signum)


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent dies (daemonised double forks too)."""
    return _call(_PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> bool:
    """Open or close this process's /proc files and memory to others of the same uid."""
    return _call(_PR_SET_DUMPABLE, int(dumpable))
