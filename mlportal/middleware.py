import logging
from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import is_valid_path

from mlportal.errors import BadInput, DatabaseAway, NotFound, PortalError

logger = logging.getLogger(__name__)


def database_away(error: OperationalError) -> DatabaseAway:
    """What a person is told; the log has the database's own words."""
    logger.error("The database did not answer: %s", error)
    return DatabaseAway("The database does not answer just now; try again in a moment.")


def _is_opened(request: HttpRequest) -> bool:
    """By a person who goes to the address, as of a history or a link, where only a button of a page leads."""
    return (
        request.method == "GET" and request.path.startswith("/w/") and "text/html" in request.headers.get("Accept", "")
    )


def _where_to_go(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    above = request.path.rstrip("/").rpartition("/")[0] + "/"
    while above.count("/") > 3 and not is_valid_path(above):
        above = above.rstrip("/").rpartition("/")[0] + "/"
    page = render(request, "405.html", {"page": above}, status=405)
    page["Allow"] = response["Allow"]
    return page


class PortalErrorMiddleware:
    """A PortalError that leaves a page's view becomes one page (or a fragment for htmx), with the error's own status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # PostgreSQL takes no NUL, not even to look for it.
        if "\0" in request.path:
            return self._answer(request, NotFound("There is nothing at this address.", code="no_such_address"))
        if "%00" in request.META.get("QUERY_STRING", ""):
            return self._answer(request, BadInput("A parameter of an address has no NUL character."))
        response = self.get_response(request)
        if response.status_code == 405 and _is_opened(request):
            return _where_to_go(request, response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError):
            error = database_away(error)
        return self._answer(request, error) if isinstance(error, PortalError) else None

    def _answer(self, request: HttpRequest, error: PortalError) -> HttpResponse:
        if request.path.startswith("/api/"):
            return JsonResponse(error.as_json(), status=error.status)
        template = "partials/error.html" if request.headers.get("HX-Request") else "error.html"
        return render(request, template, {"error": error}, status=error.status)
