"""`python -m tests.machine`: what this machine lacks for the suite to be whole.

By hand that is a hint. With CI=true it is an error: there, a test that is left out would be a promise that nobody keeps.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from experiments.environments import discover

CHROMIUM = Path("/usr/bin/chromium")
FONTS = Path("/usr/share/fonts")
SERVERS = {"postgres": "postgresql", "redis-server": "redis-server", "rabbitmq-server": "rabbitmq-server"}
PROGRAMS = ("openssl", "zsh", "fish")  # certificates of nobody's; completion
MINORS = ("3.6",)  # what the article's environment and the oldest of the SDK's tests need


def missing() -> Iterator[str]:
    """A sentence for each part: what is missing, what needs it, and what brings it."""
    if not CHROMIUM.exists():
        yield f"{CHROMIUM} is not there: no page is tried in a browser. apt-get install chromium"
    if not any(FONTS.rglob("*.[to]tf")):
        yield "There are no fonts: Chromium draws empty boxes. apt-get install fonts-dejavu-core"
    for program, package in SERVERS.items():
        if not find_server(program):
            yield f"{program} is not there: nothing is tried on it. apt-get install {package}"
    for program in PROGRAMS:
        if shutil.which(program) is None:
            yield f"{program} is not there: a part of the client is not tried. apt-get install {program}"
    minors = {f"{found.version.major}.{found.version.minor}" for found in discover()}
    for minor in MINORS:
        if minor not in minors:
            there = ", ".join(sorted(minors, key=lambda each: [int(part) for part in each.split(".")]))
            yield f"No Python {minor} is there (there are {there}): the article's environment is not tried. pyenv install {minor}"


def find_server(program: str) -> Path | None:
    """Debian keeps PostgreSQL's server out of the PATH, and the others' in an administrator's."""
    folders = [
        Path("/usr/sbin"),
        Path("/usr/local/sbin"),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    ]
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)])
    found = shutil.which(program, path=path)
    return Path(found) if found else None


def main() -> int:
    lines = list(missing())
    strict = os.environ.get("CI") == "true"
    for line in lines:
        sys.stderr.write(f"{'error' if strict else 'hint'}: {line}\n")
    return 1 if lines and strict else 0


if __name__ == "__main__":
    sys.exit(main())
