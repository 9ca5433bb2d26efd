"""Text that came from outside, made fit for every database."""

import re
from typing import Any, Final

# A spreadsheet takes a cell that begins so for a formula, and does what it says.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def storable(value: Any) -> Any:
    """The same value with texts that PostgreSQL and JSON take: NUL and half surrogates become U+FFFD, in lists and dicts too."""
    if isinstance(value, str):
        return re.sub("[\0\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def guarded(text: str) -> str:
    """A cell of a CSV that we hand out: with a ' before it where a spreadsheet would take it for a formula."""
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)  # -0.5 is no formula
    except ValueError:
        return f"'{text}"
    return text
