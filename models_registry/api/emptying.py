"""A workspace as it was when it was made."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments.api.trash_serializers import PurgeSerializer
from mlportal.api.fields import Input
from mlportal.api.views import ApiView, validated
from models_registry import services


class EmptyInput(Input):
    confirm = serializers.CharField(max_length=255, help_text="The name of the workspace")


class Empty(ApiView):
    @extend_schema(
        request=EmptyInput, responses={202: PurgeSerializer, 204: OpenApiResponse(description="It had no run.")}
    )
    def post(self, request: Request, workspace: str) -> Response:
        """Delete all experiments, runs, models and services of the workspace for good; data, environments, compute targets
        and members stay. Owners may. 409 `not_ended` while the portal executes a run in it.
        """
        purge = services.empty_workspace(self.workspace, **validated(EmptyInput, request.data), by=self.person)
        return Response(status=204) if purge is None else Response(PurgeSerializer(purge).data, status=202)
