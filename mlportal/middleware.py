import logging
from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from mlportal.errors import BadInput, DatabaseAway, NotFound, PortalError

logger = logging.getLogger(__name__)


def database_away(error: OperationalError) -> DatabaseAway:
    """What a person is told; the log has the database's own words."""
    logger.error("The database did not answer: %s", error)
    return DatabaseAway("The database does not answer just now; try again in a moment.")


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
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError):
            error = database_away(error)
        return self._answer(request, error) if isinstance(error, PortalError) else None

    def _answer(self, request: HttpRequest, error: PortalError) -> HttpResponse:
        if request.path.startswith("/api/"):
            return JsonResponse(error.as_json(), status=error.status)
        template = "partials/error.html" if request.headers.get("HX-Request") else "error.html"
        return render(request, template, {"error": error}, status=error.status)
