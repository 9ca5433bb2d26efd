"""The second version of a service, what its answers are worth, the way back, and what served when."""

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.api.views import ApiView, ListView, validated
from models_registry import services
from models_registry.api.deployment_serializers import DeploymentSerializer, DisagreementSerializer, ServedSerializer
from models_registry.api.deployments import deployment_of, find_inference, find_version
from models_registry.api.inputs import CandidateInput
from models_registry.models import Disagreement, Served


class Candidate(ApiView):
    @extend_schema(request=CandidateInput, responses=DeploymentSerializer)
    def put(self, request: Request, workspace: str, name: str) -> Response:
        """Give a second version a share of the requests, a copy of the others, or both; or change the shares.

        What answers is not started anew. Answers say in `X-Mlportal-Version` which version gave them, and a request with
        that header chooses.
        """
        wish = validated(CandidateInput, request.data)
        deployment = deployment_of(self)
        versions = None
        if wish.get("models") is not None:
            versions = [find_version(self, each["name"], each["version"]) for each in wish["models"]]
        elif wish.get("model") is not None or wish.get("version") is not None:
            made_of = [version.model.name for version in deployment.revision.versions]
            model = wish.get("model") or (made_of[0] if len(made_of) == 1 else "")
            versions = [find_version(self, model, wish.get("version"))]
        inference = find_inference(self, wish["inference"]) if "inference" in wish else None
        services.set_candidate(
            deployment,
            versions,
            inference=inference,
            percent=wish.get("percent"),
            mirror=wish.get("mirror"),
            by=self.person,
        )
        return Response(DeploymentSerializer(deployment_of(self)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str) -> Response:
        """Take the second version back: the first one gets every request. Without one nothing changes."""
        services.remove_candidate(deployment_of(self), by=self.person)
        return Response(status=204)


class Promote(ApiView):
    @extend_schema(request=None, responses={202: DeploymentSerializer})
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Have the second version answer every request; its replicas go on."""
        services.promote(deployment_of(self), by=self.person)
        return Response(DeploymentSerializer(deployment_of(self)).data, status=202)


class RollBack(ApiView):
    @extend_schema(request=None, responses={202: DeploymentSerializer})
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Have the version before this one answer again: at once while its replicas stand by, else as an update."""
        services.roll_back(deployment_of(self), by=self.person)
        return Response(DeploymentSerializer(deployment_of(self)).data, status=202)


class Disagreements(ListView[Disagreement]):
    """Copied requests to which the second version answered something else, newest first; excerpts only."""

    queryset = Disagreement.objects.none()
    serializer_class = DisagreementSerializer
    pagination_class = None

    def get_queryset(self) -> QuerySet[Disagreement]:
        return deployment_of(self).disagreements.all()[: settings.SERVICE_DISAGREEMENTS]

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str) -> Response:
        """Count from 0 again."""
        services.forget_disagreements(deployment_of(self), by=self.person)
        return Response(status=204)


class History(ListView[Served]):
    """What served when, newest first: a row for each share of each version."""

    queryset = Served.objects.none()
    serializer_class = ServedSerializer

    def get_queryset(self) -> QuerySet[Served]:
        return deployment_of(self).served.select_related("actor")
