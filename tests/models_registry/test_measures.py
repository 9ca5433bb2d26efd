"""What gateways count: buckets, pieces of time, totals, series, and Prometheus's text."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from mlportal.access.models import User
from models_registry import services
from models_registry.models import Deployment, ModelVersion, ReplicaMeasure, ServiceMeasure, ServiceTotal
from models_registry.services.keys import pair_of
from models_registry.services.monitoring import keep_measures, measure_replicas, measures, tidy_measures, window
from models_registry.serving.asgi import requests as request_buffer
from models_registry.serving.measuring import Measures, Piece, bounds_of, bucket_of, quantile, up_to
from models_registry.serving.portal_routes import RequestBuffer
from tests.models_registry.conftest import Register, gateway
from tests.models_registry.test_gateway_on_portal import IRIS, bearer


@pytest.fixture
def service(iris_version: ModelVersion, contributor: User) -> Deployment:
    return services.deploy(iris_version, name="iris", by=contributor)


def counted(service: Deployment, *requests: tuple[str, int, float], at: datetime | None = None) -> list[Piece]:
    """Requests as (version, status, seconds) of one piece of time."""
    found = Measures()
    for version, status, seconds in requests:
        found.request(str(service.pk), version, status, seconds, rows=2, waiting=1)
        found.batch(str(service.pk), version, 1, 2, seconds)
    pieces = found.take(all_of_it=True)
    start = int((at or timezone.now()).timestamp()) // 10 * 10
    return [Piece(start, piece.cells) for piece in pieces]


def test_every_latency_is_in_a_bucket_that_is_a_sixteenth_wide() -> None:
    for micro in [*range(5000), *(3**power for power in range(8, 17))]:
        first, beyond = bounds_of(bucket_of(micro))
        assert first <= micro < beyond
        assert beyond - first == 1 or (beyond - first) / first <= 1 / 16
    assert bucket_of(10**12) == bucket_of(2**28 - 1)
    assert bucket_of(-5) == 0  # a clock that went back


def test_a_quantile_is_within_a_sixteenth_of_the_true_one() -> None:
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(-6, 1) for _ in range(5000))
    found: dict[int, int] = {}
    for value in values:
        bucket = bucket_of(int(value * 1e6))
        found[bucket] = found.get(bucket, 0) + 1
    for q in (0.01, 0.5, 0.95, 0.99, 1):
        true = values[max(0, int(q * len(values)) - 1)]
        assert quantile(found, q) == pytest.approx(true, rel=1 / 16)
    assert quantile({}, 0.5) is None
    assert up_to(found, 1 << 12) == sum(value < 4096e-6 for value in values)


def test_threads_that_count_together_lose_nothing() -> None:
    found = Measures()
    pieces: list[Piece] = []

    def ask() -> None:
        for _ in range(2000):
            found.request("1", "iris:1", 200, 0.001, 1)
            found.batch("1", "iris:1", 1, 1, 0.001)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        pieces += found.take()
    pieces += found.take(all_of_it=True)
    cells = [cell for piece in pieces for cell in piece.cells.values()]
    assert sum(cell.requests for cell in cells) == sum(sum(cell.latencies) for cell in cells) == 8000
    assert sum(cell.batches for cell in cells) == 8000
    assert found.is_empty


def test_a_piece_of_time_that_goes_on_is_not_taken() -> None:
    found = Measures()
    found.request("1", "iris:1", 200, 0.001)
    taken = found.take()
    if taken:  # the clock passed a border just now
        found.request("1", "iris:1", 200, 0.001)
        taken = found.take()
    assert not taken and not found.is_empty
    (piece,) = found.take(all_of_it=True)
    assert piece.start % 10 == 0 and 0 <= time.time() - piece.start < 21


def test_processes_add_up_in_series_and_totals(service: Deployment) -> None:
    now = timezone.now() - timedelta(seconds=60)
    keep_measures(counted(service, ("iris:1", 200, 0.001), ("iris:1", 500, 0.1), at=now))
    keep_measures(counted(service, ("iris:1", 200, 0.001), ("iris:2", 200, 0.002), at=now))
    total = ServiceTotal.objects.get(version="iris:1")
    assert (total.requests, total.statuses, total.rows) == (3, {"200": 2, "500": 1}, 6)
    found = measures(service, window())
    assert (found["total"]["requests"], found["total"]["errors"], found["total"]["rows"]) == (4, 1, 8)
    assert [line["version"] for line in found["series"]] == [None, "iris:1", "iris:2"]
    everything, first, _ = found["series"]
    place = found["times"].index(int(now.timestamp()) // 10 * 10)
    assert everything["requests"][place] == 0.4 and first["requests"][place] == 0.3
    assert everything["errors"][place] == 0.1 and first["statuses"]["500"][place] == 0.1
    assert first["p99"][place] == pytest.approx(0.1, rel=0.07)
    assert everything["requests"][place - 1] == 0 and everything["p50"][place - 1] is None
    assert {len(found["times"])} == {len(everything[name]) for name in ("requests", "p50", "batch_rows", "waiting")}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the fault is made by a pragma of SQLite's")
def test_what_could_not_be_written_is_written_with_what_comes_after_it(service: Deployment) -> None:
    buffer = RequestBuffer()
    buffer.measures.request(str(service.pk), "iris:1", 200, 0.001)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        with pytest.raises(DatabaseError):
            buffer.flush()
        cursor.execute("PRAGMA query_only = OFF")
    buffer.measures.request(str(service.pk), "iris:1", 200, 0.001)
    buffer.flush()
    assert ServiceTotal.objects.get().requests == 2


def test_what_a_deleted_service_counted_is_dropped(service: Deployment, contributor: User) -> None:
    pieces = counted(service, ("iris:1", 200, 0.001))
    services.delete(service, by=contributor)
    keep_measures(pieces)
    assert not ServiceMeasure.objects.exists() and not ServiceTotal.objects.exists()


def test_old_pieces_are_merged_to_minutes_and_hours_and_dropped_in_the_end(service: Deployment, settings: Any) -> None:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    for age in (timedelta(minutes=5), timedelta(hours=3), timedelta(days=3), timedelta(days=100)):
        for second in range(0, 60, 10):
            begin = now - age + timedelta(seconds=second)
            keep_measures(counted(service, ("iris:1", 200, 0.001), ("iris:1", 503, 0.2), at=begin))
            ReplicaMeasure.objects.create(
                deployment=service, replica="1", version="iris:1", at=begin, seconds=10, memory_bytes=second
            )
    for _ in range(2):  # the second time there is nothing left to do
        tidy_measures(now)
        kept = sorted(ServiceMeasure.objects.values_list("seconds", "requests"))
        assert kept == [*[(10, 2)] * 6, (60, 12), (3600, 12)]
        assert sorted(ReplicaMeasure.objects.values_list("seconds", "memory_bytes"))[-2:] == [(60, 50), (3600, 50)]
    minute = ServiceMeasure.objects.get(seconds=60)
    assert (minute.statuses, minute.largest_batch) == ({"200": 6, "503": 6}, 2)
    assert sum(minute.latencies.values()) == 12
    found = measures(service, window(now - timedelta(hours=4), now, 10))
    assert found["step"] == 60 and found["total"]["requests"] == 24
    assert max(found["series"][0]["requests"]) == 0.2  # not all of the minute in its first ten seconds


def test_the_memory_of_a_replica_is_measured(service: Deployment) -> None:
    measure_replicas()
    assert not ReplicaMeasure.objects.exists()
    service.replicas.create(revision=service.revision, number=1, pid=7, memory_bytes=5_000_000)
    measure_replicas()
    now = timezone.now()
    # The piece may begin in this very second, with which a window that ends now would end.
    (line,) = measures(service, window(now - timedelta(minutes=1), now + timedelta(seconds=5)))["replicas"]
    assert (line["version"], line["replica"]) == ("iris:1", "1")
    assert {memory for memory in line["memory_bytes"] if memory} <= {5_000_000}
    (row,) = ReplicaMeasure.objects.all()
    assert row.memory_bytes == 5_000_000


def parsed(client: Client) -> dict[str, Any]:
    text = client.get("/metrics").content.decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_prometheus_reads_the_counts_of_services(
    service: Deployment, client: Client, register: Register, settings: Any
) -> None:
    settings.METRICS_VERSIONS = 2
    odd = 'od"d\\\n1'
    for version in ("iris:0", "iris:1", odd):
        keep_measures(counted(service, (version, 200, 0.0004), (version, 404, 0.003), (version, 200, 300.0)))
    found = parsed(client)
    assert found["mlportal_service_requests"].type == "counter"
    requests = {
        (sample.labels["version"], sample.labels["status"]): sample.value
        for sample in found["mlportal_service_requests"].samples
    }
    assert requests == {("iris:1", "200"): 2, ("iris:1", "404"): 1, (odd, "200"): 2, (odd, "404"): 1}
    histogram = found["mlportal_service_request_seconds"]
    assert histogram.type == "histogram" and histogram.documentation
    values = [
        (sample.labels["le"], sample.value)
        for sample in histogram.samples
        if sample.name.endswith("_bucket") and sample.labels["version"] == "iris:1"
    ]
    assert values[0] == ("0.000512", 1) and values[-1] == ("+Inf", 3) and values[-2][1] == 2
    assert [count for _, count in values] == sorted(count for _, count in values)
    assert {sample.value for sample in found["mlportal_service_up"].samples} == {0}
    assert found["mlportal_runs"].samples
    for family in found.values():
        assert family.documentation and family.type != "unknown"


def test_metrics_are_for_who_bears_the_token_where_one_is_set(client: Client, db: None, settings: Any) -> None:
    assert client.get("/metrics").status_code == 200
    settings.METRICS_TOKEN = "s3cret"
    for header in ("", "Bearer wrong", "s3cret", "Bearer \xe9"):
        assert client.get("/metrics", headers={"Authorization": header}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer s3cret"}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_gateway_counts_refusals_too(service: Deployment, contributor: User) -> None:
    services.stop(service, by=contributor)
    with gateway() as address, httpx.Client(base_url=address, timeout=20) as http:
        assert http.post("/services/iris/score", json=IRIS).status_code == 401
        stopped = http.post("/services/iris/score", json=IRIS, headers=bearer(pair_of(service)[0]))
        assert stopped.status_code == 503
        assert http.post("/services/nothing/score", json=IRIS).status_code == 404
        assert http.get("/services/iris/").status_code == 200
    request_buffer.flush()
    total = ServiceTotal.objects.get()
    assert (total.version, total.statuses) == ("iris:1", {"401": 1, "503": 1})
    assert sum(total.latencies.values()) == total.requests == 2
