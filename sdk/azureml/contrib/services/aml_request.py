"""`@rawhttp`: the portal's model worker then gives `run` the request in place of its body."""

from typing import Any

_rawHttpRequested = False


class AMLRequest:
    """What `run` is given, for those who name its type: Flask's names, as far as a body and its headers go."""


def rawhttp(func: Any) -> Any:
    global _rawHttpRequested
    _rawHttpRequested = True
    return func
