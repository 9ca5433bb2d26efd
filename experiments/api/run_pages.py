"""Runs page by page in an order that the caller asks for: a cursor then says how many came before."""

from typing import Any

from rest_framework.pagination import Cursor
from rest_framework.request import Request

from experiments.search import Found, Wanted
from mlportal.api.pagination import Pages


class RunPages(Pages):
    """Without `order_by` the newest come first, and a page stays the same page while runs are added."""

    offset_cutoff = 1_000_000
    _links: tuple[int | None, int | None] | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        orders = tuple(request.query_params.getlist("order_by"))
        if not orders:
            return super().paginate_queryset(queryset, request, view)
        self.base_url = request.build_absolute_uri()
        size, cursor = self.get_page_size(request), self.decode_cursor(request)
        start = cursor.offset if cursor else 0
        keys = Found(queryset, Wanted(orders=orders)).keys(start, start + size + 1)
        before = max(0, start - size) if start else None
        self._links = (before, start + size if len(keys) > size else None)
        rows = {run.pk: run for run in queryset.filter(pk__in=keys[:size]).order_by()}
        return [rows[key] for key in keys[:size] if key in rows]

    def get_next_link(self) -> str | None:
        return super().get_next_link() if self._links is None else self._link(self._links[1])

    def get_previous_link(self) -> str | None:
        return super().get_previous_link() if self._links is None else self._link(self._links[0])

    def _link(self, offset: int | None) -> str | None:
        return None if offset is None else str(self.encode_cursor(Cursor(offset=offset, reverse=False, position=None)))
