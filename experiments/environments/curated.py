"""Environments to pick from without writing a file: the YAML files beside this one."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("curated")


@dataclass(frozen=True)
class CuratedEnvironment:
    """A named environment file; `description` is its leading comment, `text` the whole file."""

    name: str
    description: str
    text: str


@cache
def curated() -> dict[str, CuratedEnvironment]:
    """All of them by name, sorted."""
    return {path.stem: _read(path) for path in sorted(_FOLDER.glob("*.yml"))}


def _read(path: Path) -> CuratedEnvironment:
    text = path.read_text()
    leading = []
    for line in text.splitlines():
        if not line.startswith("#") or line.startswith("# as-of"):
            break
        leading.append(line.lstrip("# "))
    return CuratedEnvironment(path.stem, " ".join(leading), text)
