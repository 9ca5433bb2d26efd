from typing import Any

from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.errors import BadInput

LARGEST_KEY = 2**63 - 1


class Pages(CursorPagination):
    """Newest first, by a cursor: a page stays the same page while rows are added. `?page_size=` from 1 to 500."""

    ordering = "-pk"
    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"
    page_size_query_description = "Number of results per page, 1 to 500."
    cursor_query_description = "Where the page begins, as `next` and `previous` give it."

    def get_page_size(self, request: Request) -> int:
        raw = request.query_params.get("page_size")
        if raw is None:
            return 50
        if not (raw.isascii() and raw.isdigit() and len(raw) < 6 and 1 <= int(raw) <= 500):
            raise BadInput("page_size is a whole number from 1 to 500.", field="page_size")
        return int(raw)

    def decode_cursor(self, request: Request) -> Cursor | None:
        raw = request.query_params.get("cursor")
        if raw is None:
            return None
        refusal = BadInput("This cursor is none of ours; take it from `next` or `previous`.", field="cursor")
        try:
            cursor = super().decode_cursor(request)
        except Exception as error:  # DRF's NotFound, and what base64 and int() make of nonsense
            raise refusal from error
        if cursor is not None and cursor.position is not None and not self.is_position(str(cursor.position)):
            raise refusal
        return cursor

    def is_position(self, position: str) -> bool:
        """Whether the text can be compared with the column that the rows are ordered by."""
        return position.isascii() and position.isdigit() and len(position) < 20 and int(position) <= LARGEST_KEY

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in found:
            if parameter["name"] == "page_size":
                parameter["schema"] |= {"minimum": 1, "maximum": 500, "default": 50}
        return found

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "nullable": True, "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }


class OldestFirst(Pages):
    """In the order in which the rows came."""

    ordering = "pk"
