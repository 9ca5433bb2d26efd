"""How a service does: measurements, sampled requests, actual values, and what moved."""

import tempfile
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.api.content import FileBytes, attach, guard
from mlportal.api.fields import Input
from mlportal.api.views import ApiView, validated
from models_registry.api.deployments import deployment_of
from models_registry.models import DriftReport, Watch
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


class WatchSerializer(serializers.ModelSerializer[Watch]):
    rows_kept = serializers.SerializerMethodField(help_text="Rows of requests that are kept now")

    class Meta:
        model = Watch
        fields = (
            "sample_percent",
            "sample_rows",
            "rows_kept",
            "psi_warning",
            "psi_alarm",
            "significance",
            "least_rows",
        )

    def get_rows_kept(self, watch: Watch) -> int:
        return int(watch.deployment.samples.aggregate(Sum("rows"))["rows__sum"] or 0)


class WatchInput(Input):
    sample_percent = serializers.FloatField(required=False, help_text="Of the requests: 0 keeps none, 100 all")
    sample_rows = serializers.IntegerField(required=False, help_text="The newest rows that are kept")
    psi_warning = serializers.FloatField(required=False)
    psi_alarm = serializers.FloatField(required=False)
    significance = serializers.FloatField(required=False)
    least_rows = serializers.IntegerField(required=False, help_text="Fewer rows are not compared")


class Watching(ApiView):
    output = WatchSerializer

    @extend_schema(responses=WatchSerializer)
    def get(self, request: Request, workspace: str, name: str) -> Response:
        """How a service is watched: which share of its requests is kept, and from when on a difference is told."""
        return Response(WatchSerializer(monitoring.watch_of(deployment_of(self))).data)

    @extend_schema(request=WatchInput, responses=WatchSerializer)
    def patch(self, request: Request, workspace: str, name: str) -> Response:
        """Change what is given. Nothing of a service's requests is kept until somebody sets `sample_percent`."""
        wishes = validated(WatchInput, request.data)
        return Response(WatchSerializer(monitoring.set_watch(deployment_of(self), by=self.person, **wishes)).data)


FORMATS = {
    "csv": (monitoring.csv_of_samples, "text/csv; charset=utf-8"),
    "parquet": (monitoring.parquet_of_samples, "application/vnd.apache.parquet"),
}


class SamplesQuery(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=["csv", "parquet"], default="csv")
    version = serializers.CharField(required=False, default="", help_text="Of this version alone, such as iris:2")


class Samples(ApiView):
    query_serializer = SamplesQuery

    @extend_schema(parameters=[SamplesQuery], responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request, workspace: str, name: str) -> StreamingHttpResponse:
        """The sampled rows with their predictions and actual values, as a file: users' data."""
        asked = self.query(request)
        deployment = deployment_of(self)
        write, kind = FORMATS[asked["format"]]
        file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115  (the response closes it)
        file.writelines(write(*monitoring.samples_table(deployment, asked["version"])))
        size = file.tell()
        file.seek(0)
        response = StreamingHttpResponse(FileBytes(file, size), content_type=kind)
        response["Content-Length"] = str(size)
        attach(response, f"{deployment.name}-{timezone.now():%Y-%m-%d}.{asked['format']}", attachment=True)
        guard(response)
        response["Cache-Control"] = "private, no-store"
        return response

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str) -> Response:
        """Delete all sampled rows, their actual values and what was compared."""
        monitoring.forget_samples(deployment_of(self), by=self.person)
        return Response(status=204)


class ActualsAnswer(serializers.Serializer[Any]):
    matched = serializers.IntegerField(help_text="New values for predictions that are kept")
    changed = serializers.IntegerField(help_text="Another value than before: it counts from now on")
    unchanged = serializers.IntegerField(help_text="The same value as before")
    unknown = serializers.IntegerField(help_text="Predictions that were not sampled, or are not kept any more")
    unknown_ids = serializers.ListField(child=serializers.CharField(), help_text="The first twenty of them")


class Actuals(ApiView):
    @extend_schema(request=OpenApiTypes.OBJECT, responses=ActualsAnswer)
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Hand over what came true: [{"id": "<x-request-id>/<row>", "actual": value}, …] or {"id", "actuals": [value, …]}.

        Sent twice it counts once; another value for a row takes the place of the one before.
        """
        deployment = deployment_of(self)
        require(Role.CONTRIBUTOR, deployment.workspace, self.person)
        return Response(monitoring.record_actuals(deployment, monitoring.read_actuals(request.data)))


class AccuracyStep(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    count = serializers.IntegerField()
    accuracy = serializers.FloatField(required=False)
    mae = serializers.FloatField(required=False, allow_null=True)


class AccuracySerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    kind = serializers.ChoiceField(choices=["classes", "numbers"])
    count = serializers.IntegerField()
    accuracy = serializers.FloatField(required=False)
    confusion = serializers.DictField(required=False, help_text="{labels, counts: a row for each actual class}")
    classes = serializers.ListField(required=False, help_text="[{label, precision, recall, f1, count}]")
    mae = serializers.FloatField(required=False, allow_null=True)
    rmse = serializers.FloatField(required=False, allow_null=True)
    r2 = serializers.FloatField(required=False, allow_null=True)
    steps = AccuracyStep(many=True)


class Accuracy(ApiView):
    @extend_schema(responses=AccuracySerializer(many=True))
    def get(self, request: Request, workspace: str, name: str) -> Response:
        """How right each version was, as far as actual values are known."""
        return Response(monitoring.live_accuracy(deployment_of(self)))


class DriftSerializer(serializers.ModelSerializer[DriftReport]):
    class Meta:
        model = DriftReport
        fields = ("version", "at", "rows", "since", "flag", "problem", "columns")


class Drift(ApiView):
    @extend_schema(responses=DriftSerializer(many=True))
    def get(self, request: Request, workspace: str, name: str) -> Response:
        """The newest comparison of each version's requests and predictions with what its model was trained on.

        `problem` says why there is none: no_sample, few_rows, no_common_column, or a text.
        """
        return Response(DriftSerializer(deployment_of(self).drift_reports.order_by("version"), many=True).data)

    @extend_schema(request=None, responses={202: None})
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Have a worker compare now, not only when it is time."""
        monitoring.ask_for_comparison(deployment_of(self), by=self.person)
        return Response(status=202)
