"""What stands between a script and the machine: the one seam where stronger layers plug in.

A layer turns the script's argument list into the one that is really executed (a sandbox program in front of it), and
says in a sentence what it gives. What every layer has is done by `script.start` between fork and exec.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from experiments.runner import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Isolation(ABC):
    """One way of confining a script; stateless, chosen per machine."""

    name: str

    @abstractmethod
    def wrap(self, argv: Sequence[str], run_dir: str) -> list[str]:
        """The argument list to execute instead of `argv`; `run_dir` is absolute."""

    @abstractmethod
    def describe(self) -> str:
        """One sentence for the run's page: what is confined, and what is not."""


class Basic(Isolation):
    """Always there: no other program, no privilege needed."""

    name = "basic"

    def wrap(self, argv: Sequence[str], run_dir: str) -> list[str]:
        return list(argv)

    def describe(self) -> str:
        ending = (
            "whatever it starts ends with it"
            if linux.HAS_PRCTL
            else "this system has no prctl: processes that daemonise may outlive the run"
        )
        return (
            "basic, for trusted users only: each run has limits, variables and folders of its own, and "
            f"{ending}; no filesystem or network isolation"
        )


def select() -> Isolation:
    """The strongest layer that this machine offers."""
    return Basic()
