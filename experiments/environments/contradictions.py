"""Lines of one file that ask for versions of a package which exclude each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from experiments.environments.errors import FileError

# Nobody writes more; a hostile file does, and the search is as long as the square of them.
_MOST_PARTS = 20


@dataclass(frozen=True)
class Wish:
    """What one line asks of a package: `text` as it is written, `specifier` by PEP 440."""

    text: str
    line: int
    key: str
    specifier: str


def contradictions(wishes: Mapping[str, Sequence[Wish]]) -> Iterator[FileError]:
    """An error for every package, by its name on PyPI, of which no version can satisfy all of its lines."""
    for name, asked in wishes.items():
        if satisfiable(asked):
            continue
        last = asked[-1]
        # The earliest line that suffices: the person has to look at two lines, not at all of them.
        others = next(([other] for other in asked[:-1] if not satisfiable([other, last])), asked[:-1])
        if not satisfiable([last]) or not others:
            yield FileError(f"no version of {name} can be {_short(last.text)!r}", last.line, last.key)
            continue
        those = " and ".join(f"{_short(other.text)!r} (line {other.line})" for other in others[:5])
        message = f"{_short(last.text)!r} contradicts {those}: no version of {name} is both; keep one of the lines"
        yield FileError(message, last.line, last.key)


def satisfiable(wishes: Sequence[Wish]) -> bool:
    """Whether some version number satisfies all; True where that is left to the resolver (`===`, very many parts).

    What specifiers allow is made of intervals, so a version that fits is found at the edge of one, just above it, at
    the end of a `.*`, or at 0.
    """
    every = SpecifierSet(",".join(sorted({wish.specifier for wish in wishes if wish.specifier})))
    if len(every) > _MOST_PARTS or any(part.operator == "===" for part in every):
        return True
    candidates = [Version("0")]
    try:
        for part in every:
            candidates += _around(part)
    except (InvalidVersion, ValueError):
        return True
    return any(every.contains(candidate, prereleases=True) for candidate in candidates)


def _around(part: Specifier) -> list[Version]:
    edge = Version(part.version.removesuffix(".*"))
    epoch, release = edge.epoch, edge.release
    following = (*release[:-1], release[-1] + 1)
    return [edge, *(Version(f"{epoch}!{'.'.join(map(str, r))}") for r in (following, (*release, 0, 0, 0, 1)))]


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
