"""What may stand in an address of the API. What cannot be a name there is a 404 before any query is made.

Importing this registers the converters.
"""

from django.urls import register_converter


class Text:
    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class WorkspaceName(Text):
    regex = r"[A-Za-z0-9][A-Za-z0-9_-]{1,62}"


class Uid(Text):
    regex = r"[0-9a-f]{32}"


class Name(Text):
    """Any one segment; PostgreSQL takes no NUL, not even to look for it."""

    regex = r"[^/\x00]{1,255}"


class Key:
    """A row's number."""

    regex = r"[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


for _name, _converter in (("workspace", WorkspaceName), ("uid", Uid), ("name", Name), ("key", Key)):
    register_converter(_converter, _name)
