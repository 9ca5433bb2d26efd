"""Which of a service's versions answers: as the caller says, or as the shares are."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from models_registry.serving.gateway import errors
from models_registry.serving.gateway.contracts import Route, Target
from models_registry.serving.gateway.dispatcher import choose

VERSION_HEADER = "x-mlportal-version"
ASKS = VERSION_HEADER.encode()


def pick(route: Route, wanted: str | None) -> Target:
    """The target that the header names, by its label as answers tell it; without one, by the shares."""
    if not wanted:
        return choose(route)
    found = next((target for target in route.targets if wanted in (target.version, told(target.version))), None)
    if found is None:
        there = [target.version for target in route.targets]
        raise errors.UnknownVersion(
            f"{route.name} has no version {wanted[:100]} now; it has {' and '.join(there)}", versions=there
        )
    return found


@lru_cache(maxsize=1024)
def told(version: str) -> str:
    """As a header: what is not ASCII is percent-encoded."""
    return quote(version, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")
