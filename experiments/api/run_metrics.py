"""What a run logged: summaries, curves, other values, and what SDK v1 makes of them."""

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.inputs import MetricsInput, SeriesQuery
from experiments.api.run_serializers import LoggedValueSerializer, MetricSummarySerializer
from experiments.api.runs import run_of
from experiments.models import LoggedValue
from mlportal.api.pagination import OldestFirst
from mlportal.api.permissions import SignedInUserOrRun
from mlportal.api.views import ApiView, ListView, validated


class Metrics(ApiView):
    output = MetricSummarySerializer
    permission_classes = [SignedInUserOrRun]

    @extend_schema(responses=MetricSummarySerializer(many=True))
    def get(self, request: Request, workspace: str, uid: str) -> Response:
        """One summary a name."""
        return Response(services.metric_summaries(run_of(self)))

    @extend_schema(request=MetricsInput, responses={204: None})
    def post(self, request: Request, workspace: str, uid: str) -> Response:
        """Log a batch, from the run itself or a contributor: all of it, or nothing when a record is not valid."""
        records = validated(MetricsInput, request.data)["records"]
        services.log_metrics(run_of(self), records, by=request.user)
        return Response(status=204)


class SeriesMetrics(ApiView):
    permission_classes = [SignedInUserOrRun]
    query_serializer = SeriesQuery

    @extend_schema(
        parameters=[SeriesQuery],
        responses=OpenApiResponse(
            OpenApiTypes.OBJECT, description="{name: {steps, times (epoch seconds), values, count}}"
        ),
    )
    def get(self, request: Request, workspace: str, uid: str) -> Response:
        """Curves by name, thinned to `points`; names that the run does not have are left out."""
        wish = self.query(request)
        return Response(services.series(run_of(self), wish["name"], points=wish["points"]))


class AzureMetrics(ApiView):
    permission_classes = [SignedInUserOrRun]

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, workspace: str, uid: str) -> Response:
        """What `run.get_metrics()` of SDK v1 returns."""
        return Response(services.azure_metrics(run_of(self)))


class Values(ListView[LoggedValue]):
    """Texts, lists, rows, tables, images and the like, in the order in which they were logged."""

    queryset = LoggedValue.objects.none()
    serializer_class = LoggedValueSerializer
    pagination_class = OldestFirst

    def get_queryset(self) -> QuerySet[LoggedValue]:
        return LoggedValue.objects.filter(run=run_of(self))
