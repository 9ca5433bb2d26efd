"""Runs: submit, look, cancel, run again, name, tag. A run's own token opens that run and its descendants alone."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.environments import find_version
from experiments.api.inputs import (
    FinishInput,
    PropertiesInput,
    RerunInput,
    RunChange,
    StartInput,
    SubmitInput,
    TagsInput,
)
from experiments.api.run_pages import RunPages
from experiments.api.run_serializers import RunEventSerializer, RunRowSerializer, RunSerializer
from experiments.filters import RunFilter
from experiments.models import Run, RunEvent, Snapshot
from experiments.querysets import RunQuerySet
from mlportal.api.permissions import SignedInUser, SignedInUserOrRun
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated
from mlportal.errors import BadInput


def with_names(runs: RunQuerySet) -> QuerySet[Run]:
    return runs.select_related("workspace", "experiment")


def run_of(view: ApiView, prepare: Callable[[RunQuerySet], QuerySet[Run]] = with_names) -> Run:
    """The run of the address, if the caller may see it and it is in the workspace of the address."""
    visible = Run.objects.visible_to(view.request.user).filter(workspace__name=view.kwargs["workspace"])
    return get_or_404(prepare(visible), uid=view.kwargs["uid"])


def shown(run: Run) -> dict[str, Any]:
    """The run as JSON, as it is now."""
    return dict(RunSerializer(RunSerializer.prepared(Run.objects.filter(pk=run.pk)).get()).data)


def parent_of(view: ApiView, uid: str | None) -> Run | None:
    """The run that a new one is to be a child of; BadInput when the caller sees none of this uid here."""
    if uid is None:
        return None
    visible = Run.objects.visible_to(view.asker, view.workspace).select_related("experiment", "workspace")
    found = visible.filter(uid=uid).first()
    if found is None:
        raise BadInput("There is no such run in this workspace, or it is not yours to see.", field="parent")
    return found


class Runs(ListView[Run]):
    queryset = Run.objects.none()
    serializer_class = RunRowSerializer
    filterset_class = RunFilter
    pagination_class = RunPages

    def get_permissions(self) -> list[BasePermission]:
        return [SignedInUser() if self.request.method == "POST" else SignedInUserOrRun()]

    def get_queryset(self) -> QuerySet[Run]:
        return RunRowSerializer.prepared_rows(Run.objects.kept().visible_to(self.asker, self.workspace), self.chosen)

    @extend_schema(request=SubmitInput, responses={201: RunSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Submit a run."""
        wish = validated(SubmitInput, request.data)
        snapshots = Snapshot.objects.visible_to(self.person, self.workspace)
        snapshot = snapshots.filter(uid=wish.pop("snapshot")).first()
        if snapshot is None:
            raise BadInput("There is no such snapshot in this workspace; upload the code first.", field="snapshot")
        version = find_version(self, **wish.pop("environment"))
        wish["parent"] = parent_of(self, wish["parent"])
        run = services.submit_run(
            self.workspace, snapshot=snapshot, environment_version=version, by=self.person, **wish
        )
        return created(shown(run), "workspaces", self.workspace.name, "runs", run.uid)


class RunDetail(DetailView[Run]):
    serializer_class = RunSerializer
    permission_classes = [SignedInUserOrRun]

    def get_object(self) -> Run:
        return run_of(self, RunSerializer.prepared)

    @extend_schema(request=RunChange, responses=RunSerializer)
    def patch(self, request: Request, workspace: str, uid: str) -> Response:
        """Change its name or its description; what is left out stays."""
        run = run_of(self)
        services.update_run(run, **validated(RunChange, request.data), by=self.asker)
        return Response(shown(run))


class StartRun(ApiView):
    permission_classes = [SignedInUserOrRun]

    @extend_schema(request=StartInput, responses={201: RunSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Start a run that the caller runs itself: the portal keeps what it logs, and no worker ever takes it.

        A run's token starts children of that run and of its descendants.
        """
        wish = validated(StartInput, request.data)
        wish["parent"] = parent_of(self, wish["parent"])
        run = services.start_run(self.workspace, **wish, by=self.asker)
        return created(shown(run), "workspaces", self.workspace.name, "runs", run.uid)


class FinishRun(ApiView):
    permission_classes = [SignedInUserOrRun]

    @extend_schema(request=FinishInput, responses=RunSerializer)
    def post(self, request: Request, workspace: str, uid: str) -> Response:
        """Say how a run that its caller runs itself has ended, or end one that the portal executes as failed; 409 for another
        end of that, and for a final one."""
        run = run_of(self)
        services.finish_run(run, **validated(FinishInput, request.data), by=self.asker)
        return Response(shown(run))


class Properties(ApiView):
    permission_classes = [SignedInUserOrRun]

    @extend_schema(request=PropertiesInput, responses=RunSerializer)
    def post(self, request: Request, workspace: str, uid: str) -> Response:
        """Add properties. Each is written once: 409 names those that have another value, and nothing is written."""
        run = run_of(self)
        services.add_properties(run, validated(PropertiesInput, request.data)["properties"], by=self.asker)
        return Response(shown(run))


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
    output = RunEventSerializer

    @extend_schema(responses=RunEventSerializer(many=True))
    def get(self, request: Request, workspace: str, uid: str) -> Response:
        """Every change of its status, oldest first: a run has a handful."""
        events = RunEvent.objects.filter(run=run_of(self)).select_related("actor")
        return Response(RunEventSerializer(events, many=True).data)
