"""Experiments."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.inputs import ExperimentChange, ExperimentInput
from experiments.api.serializers import ExperimentSerializer
from experiments.filters import ExperimentFilter
from experiments.models import Experiment
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated


class Experiments(ListView[Experiment]):
    queryset = Experiment.objects.none()
    serializer_class = ExperimentSerializer
    filterset_class = ExperimentFilter

    def get_queryset(self) -> QuerySet[Experiment]:
        return experiments_of(self)

    @extend_schema(request=ExperimentInput, responses={200: ExperimentSerializer, 201: ExperimentSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Make an experiment: 201, or 200 with the one that is there, which stays as it is."""
        wish = validated(ExperimentInput, request.data)
        experiment, made = services.create_experiment(self.workspace, **wish, by=self.person)
        data = ExperimentSerializer(experiment).data
        return (
            created(data, "workspaces", self.workspace.name, "experiments", experiment.name) if made else Response(data)
        )


class ExperimentDetail(DetailView[Experiment]):
    serializer_class = ExperimentSerializer

    def get_object(self) -> Experiment:
        return experiment_of(self)

    @extend_schema(request=ExperimentChange, responses=ExperimentSerializer)
    def patch(self, request: Request, workspace: str, name: str) -> Response:
        """Change the description, set tags, remove tags; what is left out stays."""
        changes: dict[str, Any] = validated(ExperimentChange, request.data)
        tags = changes.pop("tags", None)
        experiment = services.update_experiment(experiment_of(self), set_tags=tags, **changes, by=self.person)
        return Response(ExperimentSerializer(experiment).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str) -> Response:
        """Delete an experiment without runs; 409 when it has some."""
        services.delete_experiment(experiment_of(self), by=self.person)
        return Response(status=204)


class Archive(ApiView):
    @extend_schema(request=None, responses=ExperimentSerializer)
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """List it no more. Its runs stay; the next one that is submitted to it brings it back."""
        experiment = experiment_of(self)
        services.archive_experiment(experiment, by=self.person)
        return Response(ExperimentSerializer(experiment).data)


class Restore(ApiView):
    @extend_schema(request=None, responses=ExperimentSerializer)
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """List it again."""
        experiment = experiment_of(self)
        services.restore_experiment(experiment, by=self.person)
        return Response(ExperimentSerializer(experiment).data)


def experiments_of(view: ApiView) -> QuerySet[Experiment]:
    return view.workspace.experiments.select_related("workspace", "created_by")


def experiment_of(view: ApiView) -> Experiment:
    return get_or_404(experiments_of(view), name=view.kwargs["name"])
