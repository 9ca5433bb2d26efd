"""Everything that can go wrong between a conda file and an environment that is ready.

EnvironmentProblem              message, hint
├── EnvironmentFileError        the file says something that cannot be: line, key, and all the errors found
├── InterpreterNotFound         no Python of this machine fits
├── ResolveError                no set of versions fits, or the package index is away
├── BuildError                  the packages could not be installed, or the result does not work
├── TimedOut                    took longer than allowed
└── Canceled                    whoever asked for it no longer wants it
"""

from collections.abc import Sequence
from dataclasses import dataclass


class EnvironmentProblem(Exception):
    """Base of all; `message` says what is wrong, `hint` what the person can do about it ("" if there is nothing)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n{hint}" if hint else message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class FileError:
    """One thing that is wrong in a file; `line` counts from 1, `key` is a path such as `dependencies.pip`."""

    message: str
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        where = ", ".join(
            part for part in (f"line {self.line}" if self.line else "", f"key {self.key}" if self.key else "") if part
        )
        return f"{where}: {self.message}" if where else self.message


class EnvironmentFileError(EnvironmentProblem):
    """The file cannot be used. `message`, `line` and `key` are those of the first error, `errors` has all of them."""

    def __init__(
        self, message: str, line: int | None = None, key: str | None = None, *, errors: Sequence[FileError] = ()
    ) -> None:
        self.errors = tuple(errors) or (FileError(message, line, key),)
        super().__init__(message)
        self.line = line
        self.key = key

    @classmethod
    def of(cls, errors: Sequence[FileError]) -> "EnvironmentFileError":
        """One exception for several errors; the first in the file leads."""
        ordered = sorted(errors, key=lambda error: error.line or 0)
        first = ordered[0]
        return cls(first.message, first.line, first.key, errors=ordered)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class InterpreterNotFound(EnvironmentProblem):
    """No Python of this machine fits; the message lists what there is."""


class ResolveError(EnvironmentProblem):
    """No set of versions fits together, or the package index could not be asked."""


class BuildError(EnvironmentProblem):
    """The packages could not be installed, or the installed environment does not work."""


class TimedOut(EnvironmentProblem):
    """Preparing took longer than it may."""


class Canceled(EnvironmentProblem):
    """Whoever asked for the environment no longer wants it; nothing half-made is left."""
