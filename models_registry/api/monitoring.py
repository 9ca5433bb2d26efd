"""How a service does: its measurements."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.api.views import ApiView
from models_registry.api.deployments import deployment_of
from models_registry.services import monitoring


class TotalSerializer(serializers.Serializer[Any]):
    requests = serializers.IntegerField()
    errors = serializers.IntegerField(help_text="Status 400 or more")  # type: ignore[assignment]  # a field, not DRF's own
    statuses = serializers.DictField(child=serializers.IntegerField())
    rows = serializers.IntegerField()
    mean = serializers.FloatField(allow_null=True, help_text="Seconds; so are the quantiles")
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)
    batch_rows = serializers.FloatField(allow_null=True, help_text="Rows in a call of the model, on average")
    batch_requests = serializers.FloatField(allow_null=True, help_text="Requests that a call of the model answers")
    largest_batch = serializers.IntegerField()
    most_waiting = serializers.IntegerField()


def _numbers(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.FloatField(allow_null=True), **options)


class LineSerializer(serializers.Serializer[Any]):
    version = serializers.CharField(allow_null=True, help_text="null: all versions together")
    requests = _numbers(help_text="A second; so are errors, rows and those by status")
    errors = _numbers()  # type: ignore[assignment]  # a field
    statuses = serializers.DictField(child=_numbers())
    rows = _numbers()
    mean = _numbers(help_text="Seconds; so are the quantiles")
    p50 = _numbers()
    p95 = _numbers()
    p99 = _numbers()
    batch_rows = _numbers()
    batch_requests = _numbers()
    largest_batch = _numbers()
    waiting = _numbers(help_text="Requests that were inside at once, on average")
    most_waiting = _numbers()


class ReplicaLineSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    replica = serializers.CharField()
    memory_bytes = _numbers()


MeasuresSerializer: Any = type(
    "MeasuresSerializer",
    (serializers.Serializer,),
    {
        "from": serializers.DateTimeField(),  # no name that a class body takes
        "to": serializers.DateTimeField(),
        "step": serializers.IntegerField(),
        "times": serializers.ListField(child=serializers.IntegerField(), help_text="When each step begins: Unix time"),
        "total": TotalSerializer(),
        "series": LineSerializer(many=True),
        "replicas": ReplicaLineSerializer(many=True),
    },
)
WindowQuery: Any = type(
    "WindowQuery",
    (serializers.Serializer,),
    {
        "from": serializers.DateTimeField(required=False, help_text="15 minutes before `to`, if it is not given"),
        "to": serializers.DateTimeField(required=False, help_text="Now, if it is not given"),
        "step": serializers.IntegerField(
            required=False, min_value=10, max_value=31_536_000, help_text="Seconds; a multiple of 10"
        ),
    },
)


class Measures(ApiView):
    query_serializer = WindowQuery

    @extend_schema(parameters=[WindowQuery], responses=MeasuresSerializer)
    def get(self, request: Request, workspace: str, name: str) -> Response:
        """Requests, errors, latencies, calls of the model and memory of a service, in steps.

        Steps are longer than asked for where what is kept is coarser.
        """
        asked = self.query(request)
        window = monitoring.window(asked.get("from"), asked.get("to"), asked.get("step"))
        return Response(monitoring.measures(deployment_of(self), window))
