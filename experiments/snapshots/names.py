"""The one rule for the path of a file in a snapshot or of an artifact.

A backslash is refused everywhere, in zip archives too: it is a letter on Linux and a separator on Windows, so one
name would mean two paths. Browsers send ``/`` and the zip format demands it (APPNOTE 4.4.17.1).
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

from .refusals import NameRefused

MAX_SEGMENT_BYTES: Final = 255
MAX_NAME_BYTES: Final = 1024

_DRIVE_OR_SCHEME: Final = re.compile(r"[a-z]:|file:|[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
_UNPRINTABLE: Final = {"Cc": "a control character", "Zl": "a line separator", "Zp": "a paragraph separator"}


def clean_name(raw: str) -> str:
    """Return ``raw`` as a relative POSIX path in NFC, or raise :class:`NameRefused` with the reason.

    Each segment is at most 255 bytes of UTF-8 and the whole at most 1024, so that any Linux file system takes it.
    """
    name = unicodedata.normalize("NFC", raw)
    if not name:
        raise NameRefused(raw, "the name is empty")
    for character in name:
        category = unicodedata.category(character)
        if category in _UNPRINTABLE:
            raise NameRefused(raw, f"the name contains {_UNPRINTABLE[category]} (U+{ord(character):04X})")
        if category == "Cs":
            raise NameRefused(raw, "the name is not valid Unicode")
    if "\\" in name:
        raise NameRefused(raw, "the name contains a backslash; folders are separated by /")
    if name.startswith("/"):
        raise NameRefused(raw, "the name is absolute; only names relative to the folder are taken")
    if _DRIVE_OR_SCHEME.match(name):
        raise NameRefused(raw, "the name starts with a drive or a scheme")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise NameRefused(raw, f"the name is longer than {MAX_NAME_BYTES} bytes")
    for segment in name.split("/"):
        _check_segment(raw, segment)
    return name


def _check_segment(raw: str, segment: str) -> None:
    if not segment:
        raise NameRefused(raw, "the name has an empty segment")
    if segment in (".", ".."):
        raise NameRefused(raw, f"the name has a segment {segment!r}")
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        raise NameRefused(raw, f"a segment of the name is longer than {MAX_SEGMENT_BYTES} bytes")
    # A name is also part of an address, and a proxy or a client that decodes once more (CVE-2024-1560) must not find
    # a way out of the folder.
    decoded = segment
    while (once_more := unquote(decoded)) != decoded:
        decoded = once_more
        if decoded in (".", "..") or any(character in decoded for character in "/\\\0"):
            raise NameRefused(raw, "the name hides a separator or a dot segment behind percent signs")
