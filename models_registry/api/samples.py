"""The training sample of a model version, and what a service takes."""

from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.api.content import Pieces, attach, guard
from mlportal.api.permissions import SignedInUserAndRunReads, SignedInUserOrRun
from mlportal.api.views import ApiView
from mlportal.errors import NotFound
from models_registry import services
from models_registry.api.bodies import AsIs, file_in
from models_registry.api.deployments import deployment_of
from models_registry.api.models import version_of
from models_registry.models import TrainingSample
from models_registry.services.samples import as_csv


class SampleQuery(serializers.Serializer[Any]):
    target = serializers.CharField(
        max_length=250, default="", allow_blank=True, trim_whitespace=False, help_text="The column that is predicted"
    )
    source = serializers.CharField(  # type: ignore[assignment]  # a Field has an attribute of that name
        max_length=1024, default="", allow_blank=True, help_text="Where it comes from, for people: a file's name"
    )


class SampleSerializer(serializers.ModelSerializer[TrainingSample]):
    rows = serializers.IntegerField(help_text="Kept; all figures are of these")
    columns = serializers.ListField(
        child=serializers.DictField(),
        help_text="{name, kind, missing, distinct} with kind number, integer, boolean, text or time. Numbers have min, max, "
        "mean, std, quantiles (0, 5, 25, 50, 75, 95, 100 %) and a histogram {edges, counts}; texts and booleans the most "
        "frequent values, [[value, count], …]",
    )
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = TrainingSample
        fields = ["rows", "of_rows", "columns", "target", "source", "size", "created_by", "created_at"]


class Sample(ApiView):
    permission_classes = [SignedInUserOrRun]
    parser_classes = [AsIs]
    output = SampleSerializer

    @extend_schema(responses=SampleSerializer)
    def get(self, request: Request, workspace: str, name: str, number: int) -> Response:
        """What the version was trained on: its columns, as a sample has them. 404 where nobody has given one."""
        return Response(SampleSerializer(sample_of(self)).data)

    @extend_schema(
        parameters=[SampleQuery],
        request={
            ("text/csv"): OpenApiTypes.STR,
            "application/vnd.apache.parquet": OpenApiTypes.BINARY,
        },
        responses=SampleSerializer,
    )
    def put(self, request: Request, workspace: str, name: str, number: int) -> Response:
        """Give the version a sample of its training data: the body is CSV with a line of names, or Parquet.

        It takes the place of the one before. Of many rows some are kept.
        """
        wish = self.query(request)
        version = version_of(self)
        return Response(SampleSerializer(services.attach_sample(version, file_in(request), **wish, by=self.asker)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str, number: int) -> Response:
        """Forget the sample; the version stays."""
        services.remove_sample(version_of(self), by=self.asker)
        return Response(status=204)

    def known_parameters(self) -> set[str]:
        return set(SampleQuery().fields) if self.request.method == "PUT" else set()

    def query(self, request: Request) -> dict[str, Any]:
        self.query_serializer = SampleQuery
        return super().query(request)


class SampleContent(ApiView):
    permission_classes = [SignedInUserAndRunReads]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, workspace: str, name: str, number: int) -> HttpResponseBase:
        """The rows of the sample as CSV. Texts that a spreadsheet would take for a formula have a ' before them."""
        sample = sample_of(self)
        response = StreamingHttpResponse(Pieces(as_csv(sample)), content_type="text/csv; charset=utf-8")
        attach(response, f"{name}-{number}-sample.csv", attachment=True)
        guard(response)
        return response


class FieldSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["number", "integer", "boolean", "text", "time"])
    default = serializers.JSONField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="The least of the training sample")
    high = serializers.FloatField(allow_null=True)
    usual = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="Between these are 90 % of the training sample"
    )
    step = serializers.FloatField(allow_null=True)
    choices = serializers.ListField(help_text="All values of the training sample, where they are few")
    has_missing = serializers.BooleanField()


class SchemaSerializer(serializers.Serializer[Any]):
    inputs = FieldSerializer(many=True)
    methods = serializers.ListField(child=serializers.CharField())
    default_method = serializers.CharField()
    classes = serializers.ListField(allow_null=True)
    example = serializers.JSONField(allow_null=True, help_text="A row that the service takes")
    is_named = serializers.BooleanField(help_text="The model knows its inputs by name")
    is_text = serializers.BooleanField(help_text="A row is one text, not a list")
    known_by = serializers.CharField(help_text="What tells most of it: sample, mlflow, model, or nothing")


class ServiceSchema(ApiView):
    @extend_schema(responses=SchemaSerializer)
    def get(self, request: Request, workspace: str, name: str) -> Response:
        """What the service takes: its inputs in order, and its methods. No inputs where nobody knows."""
        return Response(SchemaSerializer(services.schema_of(deployment_of(self))).data)


def sample_of(view: ApiView) -> TrainingSample:
    version = version_of(view)
    found = services.sample_of(version)
    if found is None:
        raise NotFound(f"{version} has no training sample.")
    return found
