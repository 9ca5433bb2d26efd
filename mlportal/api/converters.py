"""What may stand in an address of the API. What cannot be a name there is a 404 before any query is made.

Importing this registers the converters.
"""

from urllib.parse import unquote

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


class ExperimentName(Text):
    """Any name: MLflow's clients call experiments "team/churn", "50 %" and "..". What would be a piece of the path is quoted
    once more than everything is, so that servers, proxies and browsers leave it alone."""

    regex = r"[^/\x00]{1,4500}"

    def to_python(self, value: str) -> str:
        name = unquote(value)
        if "\0" in name:
            raise ValueError("no name has a NUL")
        return name

    def to_url(self, value: str) -> str:
        return value.replace(".", "%2E") if set(value) <= {"."} else value.replace("%", "%25").replace("/", "%2F")


class Key:
    """A row's number."""

    regex = r"[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


for _name, _converter in (
    ("workspace", WorkspaceName),
    ("uid", Uid),
    ("name", Name),
    ("experiment", ExperimentName),
    ("key", Key),
):
    register_converter(_converter, _name)
