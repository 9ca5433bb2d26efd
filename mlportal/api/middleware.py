"""What every answer below /api/ has: the portal's version, for JSON an ETag, so that asking again costs no transfer, and
the one shape of errors for a fault of ours, too.
"""

import hashlib
import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response

from mlportal.errors import ClientTooOld, PortalError
from mlportal.version import OLDEST_SDK, VERSION

HEADER = "X-MLPortal-Version"
FAULT = "Something went wrong in the portal; its log tells what."
SDK = re.compile(r"mlportal-sdk/(\d{1,6})\.(\d{1,6})")


class ApiMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        response = _too_old(request) or _conditional(request, self.get_response(request))
        if response.status_code == 500 and response["Content-Type"].startswith("text/html"):
            response = JsonResponse(PortalError(FAULT, code="fault").as_json(), status=500)
        response[HEADER] = VERSION
        return response


def _too_old(request: HttpRequest) -> HttpResponse | None:
    client = SDK.match(request.headers.get("User-Agent", ""))
    if client is None or (int(client[1]), int(client[2])) >= OLDEST_SDK:
        return None
    error = ClientTooOld(
        f"{client[0]} is too old for this portal, which is version {VERSION}: install mlportal-sdk {VERSION}.",
        oldest=".".join(map(str, OLDEST_SDK)),
    )
    return JsonResponse(error.as_json(), status=error.status)


def _conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """By the content: a run's JSON changes with more than the run, its place in the queue for one."""
    if request.method != "GET" or response.streaming or response.status_code != 200:
        return response
    response.setdefault("Cache-Control", "private, no-cache")
    if "no-store" in response["Cache-Control"]:
        return response
    if not response.has_header("ETag"):
        if response.get("Content-Type") != "application/json":
            return response
        response["ETag"] = f'W/"{hashlib.blake2b(response.content, digest_size=16).hexdigest()}"'
    found = get_conditional_response(request, etag=response["ETag"], response=response)
    assert isinstance(found, HttpResponse)
    return found
