"""What an environment file asks for, independent of how it was written."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Note:
    """Something the person should see: what was left out, replaced or chosen. `line` counts from 1."""

    text: str
    line: int | None = None
    key: str | None = None


@dataclass(frozen=True)
class PipPolicy:
    """What pip lines of an environment file may do; addresses compare without a trailing slash."""

    allowed_indexes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class EnvironmentSpec:
    """A validated environment file.

    `python` is a PEP 440 specifier ("" if the file names none) and `python_line` where it stands, `requirements` are
    normalised, sorted PEP 508 lines
    of PyPI names, `provided` the azureml-* names that the portal's own sdk stands in for, `as_of` the day whose
    packages are wanted, `index_options` whole options (`--extra-index-url=…`) that the policy allowed.
    """

    python: str = ""
    python_line: int | None = None
    requirements: tuple[str, ...] = ()
    name: str | None = None
    provided: tuple[str, ...] = ()
    as_of: date | None = None
    index_options: tuple[str, ...] = ()
    prereleases: bool = False
    notes: tuple[Note, ...] = ()

    def announcement(self) -> list[str]:
        """Lines for the log: what the portal provides itself, and every note."""
        lines = [f"{name}: provided by the portal's own sdk" for name in self.provided]
        lines += [f"note: {note.text}" + (f" (line {note.line})" if note.line else "") for note in self.notes]
        return lines
