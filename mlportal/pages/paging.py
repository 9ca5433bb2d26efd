from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpRequest

PAGE_SIZE = 50


def page_of(request: HttpRequest, rows: Any) -> Page[Any]:
    """The page that `?page=` asks for; the nearest one when there is no such page."""
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))


MAX_WORDS = 10_000  # characters


def search_text(request: HttpRequest) -> str:
    """What `?q=` looks for. PostgreSQL takes no NUL in a text, and SQLite no pattern that is very long."""
    return request.GET.get("q", "").replace("\0", "").strip()[:MAX_WORDS]


def asked_number(request: HttpRequest, name: str) -> int | None:
    """The whole number of a query parameter; None when it is none that a database could have."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
