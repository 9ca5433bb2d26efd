from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from mlportal.errors import TooLarge


class JSONParser(parsers.BaseParser):
    """Strict JSON by orjson: no NaN, nothing out of range (1e999), bounded depth, UTF-8 only, bounded length."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge(f"A JSON body has at most {limit} bytes (DATA_UPLOAD_MAX_MEMORY_SIZE).", limit=limit)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}") from None
