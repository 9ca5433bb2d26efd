"""For load balancers and Prometheus: is it alive, is it ready, what does it count."""

from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse

from experiments.models import Run
from experiments.status import RunStatus


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
    """Counts of runs by status, in Prometheus's text format. Numbers only: nothing here belongs to anybody."""
    counts = dict(Run.objects.order_by().values_list("status").annotate(Count("pk")))
    lines = ["# HELP mlportal_runs Runs by status", "# TYPE mlportal_runs gauge"]
    lines += [f'mlportal_runs{{status="{status}"}} {counts.get(status, 0)}' for status in RunStatus.values]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")
