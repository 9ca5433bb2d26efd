"""For load balancers and Prometheus: is it alive, is it ready, what does it count."""

import hmac
from collections.abc import Callable, Iterable

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse

from experiments.models import Run
from experiments.status import RunStatus

MORE: list[Callable[[], Iterable[str]]] = []
"""What apps have to tell beside runs: lines of Prometheus's text format."""


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Database and storage answer: 200, else 503 with what does not."""
    problems = {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        problems["database"] = type(error).__name__
    try:
        default_storage.exists("ready")
    except OSError as error:
        problems["storage"] = type(error).__name__
    return JsonResponse({"ready": not problems, "problems": problems}, status=503 if problems else 200)


def metrics(request: HttpRequest) -> HttpResponse:
    """Runs by status and requests to services, in Prometheus's text format: names of services and numbers, no user's data.

    With METRICS_TOKEN set, for who bears it alone.
    """
    if settings.METRICS_TOKEN:
        wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted):
            refusal = HttpResponse("Send MLPORTAL_METRICS_TOKEN as Authorization: Bearer …\n", "text/plain", 401)
            refusal["WWW-Authenticate"] = "Bearer"
            return refusal
    counts = dict(Run.objects.order_by().values_list("status").annotate(Count("pk")))
    lines = ["# HELP mlportal_runs Runs by status", "# TYPE mlportal_runs gauge"]
    lines += [f'mlportal_runs{{status="{status}"}} {counts.get(status, 0)}' for status in RunStatus.values]
    for more in MORE:
        lines += more()
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")
