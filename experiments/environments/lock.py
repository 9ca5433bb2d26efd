"""From what was asked to exact versions: uv's resolver, for one interpreter, as of a day if wanted."""

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.environments import uv_tool
from experiments.environments.errors import ResolveError
from experiments.environments.interpreters import Interpreter
from experiments.environments.spec import EnvironmentSpec

# Raised when build() makes something different of the same lock: it is part of every key.
BUILDER_FORMAT = 1

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)")
_HINTS = (
    (
        r"building from source is disabled|no usable wheels|no wheels|no matching .*tag",
        (
            "Some version that would fit has no wheel for this Python. Ask for other versions, another Python, or "
            "packages as of another day; packages are not built from source unless the administrator allows it "
            "(MLPORTAL_SOURCE_BUILDS), because that runs their code."
        ),
    ),
    (
        r"was not found in the package registry|not found in the provided package locations",
        "Check the spelling: PyPI has no package of that name. As of an early day the package may not have existed.",
    ),
    (
        r"Failed to fetch|error sending request|network was disabled|dns error|not found in the cache|Connect",
        (
            "The package index could not be reached. Try again; if it stays so, the administrator should look at the "
            "machine's network, proxy and index settings (UV_DEFAULT_INDEX, PIP_INDEX_URL, HTTPS_PROXY)."
        ),
    ),
    (r"No space left on device", "The disk is full: free some space and try again."),
)


@dataclass(frozen=True)
class Lock:
    """The exact packages of an environment: what makes a run repeatable.

    `text` has one `name==version` per line, sorted, with no address; `packages` is the same as pairs;
    `python_version` is whole (`3.6.15`), `platform` such as `linux-x86_64`.
    """

    text: str
    packages: tuple[tuple[str, str], ...]
    python_version: str
    platform: str
    index_options: tuple[str, ...] = ()
    allow_source_builds: bool = False

    @cached_property
    def key(self) -> str:
        """sha256 that names the built environment: equal keys are equal environments on one machine."""
        parts = [self.text, self.python_version, self.platform, str(BUILDER_FORMAT), *self.index_options]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """What to store; `from_dict` makes an equal lock of it."""
        return {
            "text": self.text,
            "python_version": self.python_version,
            "platform": self.platform,
            "index_options": list(self.index_options),
            "allow_source_builds": self.allow_source_builds,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Lock":
        return cls(
            text=stored["text"],
            packages=_packages(stored["text"]),
            python_version=stored["python_version"],
            platform=stored["platform"],
            index_options=tuple(stored["index_options"]),
            allow_source_builds=stored["allow_source_builds"],
        )


def resolve(
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    *,
    log: uv_tool.Log,
    cancelled: uv_tool.Cancelled,
    uv: Path,
    cache_dir: Path,
    timeout: float,
    as_of: date | None = None,
    allow_source_builds: bool = False,
) -> Lock:
    """Choose versions for `interpreter` (`timeout` in seconds); `as_of` counts more than the day of the file.

    Wheels only, unless `allow_source_builds`: a source distribution runs its own code already to tell what it needs.
    Raises ResolveError, with the resolver's explanation and a hint; TimedOut; Canceled.
    """
    for line in spec.announcement():
        log(line)
    day = as_of or spec.as_of
    log(f"resolving {_count(spec.requirements)} for Python {interpreter.version}" + (f" as of {day}" if day else ""))
    text = ""
    if spec.requirements:
        options: list[str | Path] = ["--no-annotate", "--no-header", *spec.index_options]
        if not allow_source_builds:
            options += ["--only-binary", ":all:"]
        if spec.prereleases:
            options += ["--prerelease", "allow"]
        if day:
            # The whole day, by UTC: uv would read a bare day in the time zone of the machine.
            options += ["--exclude-newer", f"{day + timedelta(days=1)}T00:00:00Z"]
        done = uv_tool.run(
            [uv, "pip", "compile", "-", "--python", interpreter.path, "--cache-dir", cache_dir.absolute(), *options],
            log=lambda line: None,
            cancelled=cancelled,
            deadline=time.monotonic() + timeout,
            stdin="\n".join(spec.requirements) + "\n",
        )
        if done.code != 0:
            raise ResolveError(explanation(done.stderr), hint_for(done.stderr))
        text = _sorted_pins(done.stdout)
    packages = _packages(text)
    log(f"resolved: {_count(packages)}")
    return Lock(text, packages, str(interpreter.version), interpreter.platform, spec.index_options, allow_source_builds)


def explanation(stderr: str) -> str:
    """uv's own words without its marks."""
    lines = []
    for line in stderr.splitlines():
        line = re.sub(r"^\W*(error:|cause:|Caused by:|warning:)?\s*", "", line).strip()
        if line and not line.startswith("hint:"):
            lines.append(line)
    return "\n".join(dict.fromkeys(lines)) or "the resolver stopped without a reason"


def hint_for(stderr: str) -> str:
    """What the person can do about it, "" if that is not known."""
    return next((hint for pattern, hint in _HINTS if re.search(pattern, stderr)), "")


def _sorted_pins(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in lines:
        if not _PIN.fullmatch(line):
            raise ResolveError(f"the resolver answered with something that is not an exact version: {line}")
    return "".join(f"{line}\n" for line in sorted(lines))


def _packages(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, version) for name, _, version in (line.partition("==") for line in text.splitlines()))


def _count(packages: tuple[Any, ...]) -> str:
    return f"{len(packages)} package" + ("" if len(packages) == 1 else "s")
