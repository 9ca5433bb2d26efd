"""The trash of a workspace: what is in it, in and out of it, and deleting for good."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.trash_serializers import (
    MovedSerializer,
    PurgeInput,
    PurgePlanSerializer,
    PurgeSerializer,
    RestoreInput,
    TrashedExperimentSerializer,
    TrashedRunSerializer,
    TrashInput,
    UsageSerializer,
)
from experiments.models import Experiment, Purge, Run
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated
from mlportal.errors import BadInput


class Trash(ListView[Run]):
    queryset = Run.objects.none()
    serializer_class = TrashedRunSerializer

    def get_queryset(self) -> QuerySet[Run]:
        """Those of an experiment in the trash come back with it, and are not listed."""
        runs = services.trashed_runs(self.workspace).visible_to(self.asker)
        return runs.select_related("workspace", "experiment", "created_by", "deleted_by", "parent")

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        services.tell_trashed(self.workspace, page or [])
        return page

    @extend_schema(request=TrashInput, responses=MovedSerializer)
    def post(self, request: Request, workspace: str) -> Response:
        """Move runs to the trash, with their children; 409 while the portal executes one of them, and none goes."""
        runs = named_runs(self, validated(TrashInput, request.data)["runs"])
        return Response({"runs": services.trash_runs(self.workspace, runs, by=self.person)})


class TrashedExperiments(ApiView):
    output = TrashedExperimentSerializer

    @extend_schema(responses=TrashedExperimentSerializer(many=True))
    def get(self, request: Request, workspace: str) -> Response:
        """The experiments in the trash, newest first. They come back, and are deleted for good, with their runs."""
        rows = services.told_experiments(self.workspace)
        return Response(TrashedExperimentSerializer(rows, many=True).data)


class Restore(ApiView):
    @extend_schema(request=RestoreInput, responses=MovedSerializer)
    def post(self, request: Request, workspace: str) -> Response:
        """Bring runs back with the children that went with them, and experiments with all of their runs."""
        wish = validated(RestoreInput, request.data)
        runs, experiments = named_runs(self, wish["runs"]), named_experiments(self, wish["experiments"])
        count = services.restore(self.workspace, runs=runs, experiments=experiments, by=self.person)
        return Response({"runs": count})


class Purges(ListView[Purge]):
    queryset = Purge.objects.none()
    serializer_class = PurgeSerializer

    def get_queryset(self) -> QuerySet[Purge]:
        """What was deleted for good, newest first, and how many bytes that has freed."""
        return purges_of(self)

    @extend_schema(request=PurgeInput, responses={200: PurgePlanSerializer, 202: PurgeSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Delete for good what is in the trash: 202, and nobody sees it any more. Owners may.

        Rows and bytes go in the background; look at the purge again for `freed_bytes`. With `dry_run` nothing is deleted:
        200 with what would be. What has not ended stays. 409 when nothing of it can go.
        """
        wish = validated(PurgeInput, request.data)
        asked: dict[str, Any] = {
            "runs": named_runs(self, wish["runs"]),
            "experiments": named_experiments(self, wish["experiments"]),
            "everything": wish["everything"],
        }
        if not any(asked.values()):
            raise BadInput("Name runs or experiments, or say `everything`.", field="runs")
        require(Role.OWNER, self.workspace, self.person)
        if wish["dry_run"]:
            return Response(PurgePlanSerializer(services.plan_purge(self.workspace, **asked)).data)
        purge = services.purge_runs(self.workspace, **asked, by=self.person)
        answer = created(PurgeSerializer(purge).data, "workspaces", workspace, "trash", "purges", purge.uid)
        answer.status_code = 202
        return answer


class PurgeDetail(DetailView[Purge]):
    serializer_class = PurgeSerializer

    def get_object(self) -> Purge:
        return get_or_404(purges_of(self), uid=self.kwargs["uid"])


class Storage(ApiView):
    output = UsageSerializer

    @extend_schema(responses=UsageSerializer)
    def get(self, request: Request, workspace: str) -> Response:
        """How many bytes the workspace stores, by what refers to them, and how many an empty trash would free."""
        return Response(UsageSerializer(services.usage(self.workspace)).data)


def purges_of(view: ApiView) -> QuerySet[Purge]:
    return Purge.objects.visible_to(view.person, view.workspace).select_related("by")


def named_runs(view: ApiView, uids: list[str]) -> list[Run]:
    """BadInput when the caller does not see one of them here."""
    visible = Run.objects.visible_to(view.person, view.workspace).select_related("experiment", "workspace")
    found = list(visible.filter(uid__in=uids))
    if missing := sorted(set(uids) - {run.uid for run in found}):
        raise BadInput(f"There is no run {missing[0]} in this workspace.", field="runs", missing=missing)
    return found


def named_experiments(view: ApiView, names: list[str]) -> list[Experiment]:
    visible = Experiment.objects.visible_to(view.person, view.workspace).select_related("workspace")
    found = list(visible.filter(name__in=names))
    if missing := sorted(set(names) - {experiment.name for experiment in found}):
        raise BadInput(
            f"There is no experiment {missing[0]!r} in this workspace.", field="experiments", missing=missing
        )
    return found
