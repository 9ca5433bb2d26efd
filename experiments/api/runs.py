"""Runs: submit, look, cancel, run again, tag. A run's own token opens the one run, to look at it and to tag it."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.inputs import RerunInput, SubmitInput, TagsInput
from experiments.api.run_serializers import RunEventSerializer, RunRowSerializer, RunSerializer
from experiments.filters import RunFilter
from experiments.models import EnvironmentVersion, Run, RunEvent, Snapshot
from mlportal.api.permissions import SignedInUserOrRun
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated
from mlportal.errors import BadInput


def with_names(runs: QuerySet[Run]) -> QuerySet[Run]:
    return runs.select_related("workspace", "experiment")


def run_of(view: ApiView, prepare: Callable[[QuerySet[Run]], QuerySet[Run]] = with_names) -> Run:
    """The run of the address, if the caller may see it and it is in the workspace of the address."""
    visible = Run.objects.visible_to(view.request.user).filter(workspace__name=view.kwargs["workspace"])
    return get_or_404(prepare(visible), uid=view.kwargs["uid"])


def shown(run: Run) -> dict[str, Any]:
    """The run as JSON, as it is now."""
    return dict(RunSerializer(RunSerializer.prepared(Run.objects.filter(pk=run.pk)).get()).data)


class Runs(ListView[Run]):
    queryset = Run.objects.none()
    serializer_class = RunRowSerializer
    filterset_class = RunFilter

    def get_queryset(self) -> QuerySet[Run]:
        return RunRowSerializer.prepared_rows(Run.objects.visible_to(self.person).in_workspace(self.workspace))

    @extend_schema(request=SubmitInput, responses={201: RunSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Submit a run."""
        wish = validated(SubmitInput, request.data)
        snapshots = Snapshot.objects.visible_to(self.person).in_workspace(self.workspace)
        snapshot = snapshots.filter(uid=wish.pop("snapshot")).first()
        if snapshot is None:
            raise BadInput("There is no such snapshot in this workspace; upload the code first.", field="snapshot")
        version = self._environment(**wish.pop("environment"))
        run = services.submit_run(
            self.workspace, snapshot=snapshot, environment_version=version, by=self.person, **wish
        )
        return created(shown(run), "workspaces", self.workspace.name, "runs", run.uid)

    def _environment(self, name: str, version: int | None) -> EnvironmentVersion:
        versions = EnvironmentVersion.objects.visible_to(self.person).in_workspace(self.workspace)
        wanted = versions.filter(environment__name=name, **({"version": version} if version else {}))
        found = wanted.select_related("environment").first()
        if found is None:
            raise BadInput(
                f"There is no environment {name}{f':{version}' if version else ''} here.", field="environment"
            )
        return found


class RunDetail(DetailView[Run]):
    serializer_class = RunSerializer
    permission_classes = [SignedInUserOrRun]

    def get_object(self) -> Run:
        return run_of(self, RunSerializer.prepared)


class CancelRun(ApiView):
    @extend_schema(request=None, responses={202: RunSerializer})
    def post(self, request: Request, workspace: str, uid: str) -> Response:
        """Ask for its end; whoever owns the script ends it. Asking again changes nothing; a final run is a conflict."""
        run = run_of(self)
        services.cancel_run(run, by=self.person)
        return Response(shown(run), status=202)


class Rerun(ApiView):
    @extend_schema(request=RerunInput, responses={201: RunSerializer})
    def post(self, request: Request, workspace: str, uid: str) -> Response:
        """The same again, as a run of its own."""
        wish = validated(RerunInput, request.data)
        run = services.rerun(run_of(self), as_of=wish["as_of"], by=self.person)
        return created(shown(run), "workspaces", workspace, "runs", run.uid)


class Tags(ApiView):
    permission_classes = [SignedInUserOrRun]

    @extend_schema(request=TagsInput, responses=RunSerializer)
    def patch(self, request: Request, workspace: str, uid: str) -> Response:
        """Set and remove tags; those that are not named stay as they are."""
        wish, run = validated(TagsInput, request.data), run_of(self)
        if wish["remove"]:
            services.remove_tags(run, wish["remove"], by=request.user)
        services.set_tags(run, wish["set"], by=request.user)
        return Response(shown(run))


class Events(ApiView):
    @extend_schema(responses=RunEventSerializer(many=True))
    def get(self, request: Request, workspace: str, uid: str) -> Response:
        """Every change of its status, oldest first: a run has a handful."""
        events = RunEvent.objects.filter(run=run_of(self)).select_related("actor")
        return Response(RunEventSerializer(events, many=True).data)
