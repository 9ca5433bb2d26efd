"""Bodies that are files as they are, not JSON."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from mlportal.errors import BadInput


class AsIs(BaseParser):
    """The stream itself: whoever takes it reads no more of it than it may have."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return stream


def file_in(request: Request) -> IO[bytes]:
    """The body of the request, to be read once."""
    found: Any = request.data
    if not hasattr(found, "read"):
        raise BadInput("Send the file as the body of the request.", field="file")
    body: IO[bytes] = found
    return body
