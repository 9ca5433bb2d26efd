"""Golden requests of a version, and what came of them."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.api.fields import Input
from mlportal.api.permissions import SignedInUserAndRunReads, SignedInUserOrRun
from mlportal.api.views import ApiView, ListView, created, get_or_404, validated
from models_registry import services
from models_registry.api.deployment_serializers import DeploymentSerializer
from models_registry.api.deployments import deployment_of
from models_registry.api.models import version_of
from models_registry.models import GoldenRequest
from models_registry.models.golden import NAME_CHARACTERS
from models_registry.services.golden import read_items


class GoldenSerializer(serializers.ModelSerializer[GoldenRequest]):
    request = serializers.JSONField(help_text="The body, without the method")
    answer = serializers.JSONField(allow_null=True, help_text="As callers get it: NaN is null")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    version = serializers.SerializerMethodField()

    class Meta:
        model = GoldenRequest
        fields = [
            "id", "version", "name", "method", "request", "answer", "rtol", "atol", "is_recorded", "created_by", "created_at",
        ]  # fmt: skip

    def get_version(self, golden: GoldenRequest) -> str:
        return str(golden.version)


@extend_schema_field({})
class Anything(serializers.JSONField):
    """Any JSON, null too."""


class GoldenInput(Input):
    """`data` or `request`, and the answer to it."""

    name = serializers.CharField(max_length=NAME_CHARACTERS, required=False, allow_blank=True)
    method = serializers.CharField(max_length=60, required=False, help_text="Of a model: predict …; run: of a script")
    data = serializers.ListField(child=Anything(allow_null=True), required=False, help_text="Rows")  # type: ignore[assignment]
    request = Anything(required=False, allow_null=True, help_text="A whole body")
    answer = Anything(required=False, allow_null=True)
    rtol = serializers.FloatField(required=False, min_value=0)
    atol = serializers.FloatField(required=False, min_value=0)


class AskedInput(Input):
    name = serializers.CharField(max_length=NAME_CHARACTERS, required=False, default="", allow_blank=True)
    request = Anything(help_text="The body of a request to the service's scoring address")


class Golden(ListView[GoldenRequest]):
    """Requests with the answers that the version owes to them: asked of each new service of it before it is made live."""

    permission_classes = [SignedInUserOrRun]
    queryset = GoldenRequest.objects.none()
    serializer_class = GoldenSerializer
    pagination_class = None

    def get_queryset(self) -> QuerySet[GoldenRequest]:
        return version_of(self).golden_requests.select_related("created_by", "version__model")

    @extend_schema(request=GoldenInput, responses={201: GoldenSerializer})
    def post(self, request: Request, workspace: str, name: str, number: int) -> Response:
        """Save one more."""
        version = version_of(self)
        [item] = read_items([validated(GoldenInput, request.data)])
        golden = services.save_golden(version, by=self.asker, **item)
        path = ("models", name, "versions", str(number), "golden", str(golden.pk))
        return created(GoldenSerializer(golden).data, "workspaces", self.workspace.name, *path)


class GoldenDetail(ApiView):
    permission_classes = [SignedInUserAndRunReads]

    @extend_schema(responses=GoldenSerializer)
    def get(self, request: Request, workspace: str, name: str, number: int, golden: int) -> Response:
        """One of them."""
        return Response(GoldenSerializer(self._golden()).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str, number: int, golden: int) -> Response:
        """No service is asked it any more."""
        services.delete_golden(self._golden(), by=self.person)
        return Response(status=204)

    def _golden(self) -> GoldenRequest:
        rows = version_of(self).golden_requests.select_related("version__model__workspace", "created_by")
        return get_or_404(rows, pk=self.kwargs["golden"])


class SaveAnswer(ApiView):
    @extend_schema(request=AskedInput, responses={201: GoldenSerializer})
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Ask the service this now, and save the request with its answer as a golden request of the model that answers."""
        deployment = deployment_of(self)
        wish = validated(AskedInput, request.data)
        golden = services.save_answer(deployment, wish["request"], name=wish["name"], by=self.person)
        version = golden.version
        path = ("models", version.model.name, "versions", str(version.version), "golden", str(golden.pk))
        return created(GoldenSerializer(golden).data, "workspaces", self.workspace.name, *path)


class AcceptChanges(ApiView):
    @extend_schema(request=None, responses={202: DeploymentSerializer})
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Deploy what golden requests have refused, with the answers that it gives. 409 when nothing was refused."""
        services.accept_changes(deployment_of(self), by=self.person)
        return Response(DeploymentSerializer(deployment_of(self)).data, status=202)
