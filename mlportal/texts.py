"""Text that came from outside, made fit for every database."""

import re
from typing import Any


def storable(value: Any) -> Any:
    """The same value with texts that PostgreSQL and JSON take: NUL and half surrogates become U+FFFD, in lists and dicts too."""
    if isinstance(value, str):
        return re.sub("[\0\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
