"""One error shape for everything that the API refuses: {"error": {"code", "message", "details"}}."""

from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from mlportal.errors import BadInput, NotFound, PortalError, TooLarge
from mlportal.middleware import database_away

CODES = {
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(error, SuspiciousOperation):  # a form with more parts or bytes than Django's settings allow
        error = (TooLarge if isinstance(error, RequestDataTooBig) else BadInput)(str(error))
    elif isinstance(error, OperationalError):
        error = database_away(error)
    if isinstance(error, PortalError):
        again = {"Retry-After": str(error.retry_after)} if error.retry_after else None
        return Response(error.as_json(), status=error.status, headers=again)
    response = exception_handler(error, context)
    if response is None:
        return None  # a fault of ours: Django answers 500 and the log has the traceback
    if isinstance(error, exceptions.ValidationError):
        shape = PortalError(_first(error.detail), code="bad_input", fields=error.detail)
    elif isinstance(error, Http404 | exceptions.NotFound):
        shape = NotFound("There is no such thing here, or it is not yours to see.")
    else:
        detail = error.detail if isinstance(error, exceptions.APIException) else "You may not do this."
        shape = PortalError(str(detail), code=CODES.get(response.status_code, "bad_input"))
    response.data = shape.as_json()
    return response


@csrf_exempt  # else a client with a token that asks for too much gets Django's page about cookies
def no_such_address(request: HttpRequest, rest: str = "") -> JsonResponse:
    """Whatever no other route has: 404 in the API's own shape, not a page."""
    hint = "" if request.path.endswith("/") else " Every address of the API ends with a slash."
    error = NotFound(f"The API has no address {request.path}.{hint}", code="no_such_address")
    return JsonResponse(error.as_json(), status=404)


def _first(detail: Any, path: str = "") -> str:
    """The first message of DRF's nested ones, with the name of its field before it."""
    if isinstance(detail, dict):
        field, inner = next(iter(detail.items()))
        return _first(inner, path if field == "non_field_errors" else f"{path}.{field}".lstrip("."))
    if isinstance(detail, list):
        return _first(next((item for item in detail if item), ""), path)
    return f"{path}: {detail}" if path else str(detail)
