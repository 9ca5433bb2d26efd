"""The services' part of /metrics, in Prometheus's text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from models_registry.models import Deployment
from models_registry.models.monitoring import ServiceMeasure, ServiceTotal
from models_registry.services.monitoring.keeping import replicas_now
from models_registry.serving.measuring import up_to
from models_registry.status import DeploymentStatus

# Powers of two, from half a millisecond to a minute: buckets of the stored histogram begin there, so the counts are exact.
BOUNDS = tuple(1 << power for power in range(9, 27))
RECENT_SECONDS = 30
Labels = Sequence[tuple[str, str]]
Sample = tuple[str, Labels, float]


def exposition() -> Iterator[str]:
    """Lines. As many as there are services and versions: of each service the versions that answered last."""
    services = dict(Deployment.objects.order_by("name").values_list("pk", "name"))
    totals = _totals(services)
    yield from _state(services)
    yield from _family(
        "mlportal_service_requests_total",
        "counter",
        "Requests that a service answered, by HTTP status",
        (
            ("", [*labels, ("status", status)], count)
            for labels, row in totals
            for status, count in sorted(row.statuses.items())
        ),
    )
    yield from _family(
        "mlportal_service_request_seconds",
        "histogram",
        "How long a service's answers took, in the gateway",
        (sample for labels, row in totals for sample in _histogram(labels, row)),
    )
    for name, about, column in (
        ("rows", "Rows in the requests to a service", "rows"),
        ("model_calls", "Calls of a service's model; requests that wait are answered by one", "batches"),
        ("model_call_rows", "Rows in the calls of a service's model", "batched_rows"),
        ("model_seconds", "Time that a service's model took for its calls", "model_seconds"),
    ):
        yield from _family(
            f"mlportal_service_{name}_total",
            "counter",
            about,
            (("", labels, getattr(row, column)) for labels, row in totals),
        )
    since = timezone.now() - timedelta(seconds=RECENT_SECONDS)
    recent = ServiceMeasure.objects.filter(at__gte=since).values_list("deployment").annotate(Max("most_waiting"))
    most = dict(recent.order_by())
    yield from _family(
        "mlportal_service_requests_inside_most",
        "gauge",
        f"Most requests of a service that waited or were being answered at once, in the last {RECENT_SECONDS} s",
        (("", [("service", name)], most.get(pk, 0)) for pk, name in services.items()),
    )


def _totals(services: dict[int, str]) -> list[tuple[Labels, ServiceTotal]]:
    found: list[tuple[Labels, ServiceTotal]] = []
    shown: dict[int, int] = {}
    for row in ServiceTotal.objects.order_by("deployment", "-updated_at", "-pk"):
        shown[row.deployment_id] = shown.get(row.deployment_id, 0) + 1
        if row.deployment_id in services and shown[row.deployment_id] <= settings.METRICS_VERSIONS:
            found.append(([("service", services[row.deployment_id]), ("version", row.version)], row))
    return found


def _state(services: dict[int, str]) -> Iterator[str]:
    healthy = dict(Deployment.objects.values_list("pk", "status"))
    yield from _family(
        "mlportal_service_up",
        "gauge",
        "Whether a service is healthy",
        (("", [("service", name)], healthy.get(pk) == DeploymentStatus.HEALTHY) for pk, name in services.items()),
    )
    replicas = [replica for replica in replicas_now() if replica.deployment in services]
    counts: dict[tuple[str, str], int] = {}
    for replica in replicas:
        key = services[replica.deployment], replica.version
        counts[key] = counts.get(key, 0) + 1
    yield from _family(
        "mlportal_service_replicas",
        "gauge",
        "Processes that a service has",
        (("", [("service", name), ("version", version)], count) for (name, version), count in sorted(counts.items())),
    )
    yield from _family(
        "mlportal_service_replica_memory_bytes",
        "gauge",
        "The most memory that a replica has had",
        (
            (
                "",
                [("service", services[one.deployment]), ("version", one.version), ("replica", one.replica)],
                one.memory_bytes,
            )
            for one in replicas
            if one.memory_bytes
        ),
    )


def _histogram(labels: Labels, row: ServiceTotal) -> Iterator[Sample]:
    latencies = {int(bucket): count for bucket, count in row.latencies.items()}
    for bound in BOUNDS:
        yield "_bucket", [*labels, ("le", repr(bound / 1e6))], up_to(latencies, bound)
    yield "_bucket", [*labels, ("le", "+Inf")], row.requests
    yield "_sum", labels, row.latency_seconds
    yield "_count", labels, row.requests


def _family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> Iterator[str]:
    """Nothing for a family without a sample."""
    for number, (suffix, labels, value) in enumerate(samples):
        if number == 0:
            yield f"# HELP {name} {about}"
            yield f"# TYPE {name} {kind}"
        said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
        yield f"{name}{suffix}{{{said}}} {float(value) if isinstance(value, float) else int(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
