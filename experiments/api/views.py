"""Saved views of tables of runs."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.models import SavedView
from experiments.services.views import MAX_NAME
from mlportal.api.fields import Input
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated
from mlportal.errors import BadInput

QUERY = (
    "The parameters of a table's address, each with its values: "
    '{"q": ["metrics.loss < 1"], "sort": ["name DESC"], "c": ["params.C"]}'
)


class SavedViewSerializer(serializers.ModelSerializer[SavedView]):
    experiment = serializers.CharField(
        source="experiment.name", default=None, allow_null=True, help_text="null: of all runs of the workspace"
    )
    query = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), help_text=QUERY)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = SavedView
        fields = ["uid", "name", "experiment", "query", "created_by", "created_at", "updated_at", "page"]


class SavedViewChange(Input):
    name = serializers.CharField(max_length=MAX_NAME, required=False)
    query = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(max_length=20_000), max_length=200),
        required=False,
        help_text=QUERY,
    )


class SavedViewInput(SavedViewChange):
    name = serializers.CharField(max_length=MAX_NAME)
    experiment = serializers.CharField(max_length=500, allow_null=True, default=None)


class SavedViewFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter is not typed
    experiment = filters.CharFilter("experiment__name", max_length=500)

    class Meta:
        model = SavedView
        fields: list[str] = []


class SavedViews(ListView[SavedView]):
    queryset = SavedView.objects.none()
    serializer_class = SavedViewSerializer
    filterset_class = SavedViewFilter

    def get_queryset(self) -> QuerySet[SavedView]:
        return _views(self)

    @extend_schema(request=SavedViewInput, responses={201: SavedViewSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Keep a table of runs under a name; 409 when there is one of this name."""
        wish = validated(SavedViewInput, request.data)
        experiment = None
        if wish["experiment"] is not None:
            experiment = self.workspace.experiments.filter(name=wish["experiment"]).first()
            if experiment is None:
                raise BadInput("There is no such experiment in this workspace.", field="experiment")
        query = wish.get("query", {})
        view = services.save_view(self.workspace, experiment, wish["name"], query, by=self.person)
        return created(SavedViewSerializer(view).data, "workspaces", self.workspace.name, "views", view.uid)


class SavedViewDetail(DetailView[SavedView]):
    serializer_class = SavedViewSerializer

    def get_object(self) -> SavedView:
        return _view(self)

    @extend_schema(request=SavedViewChange, responses=SavedViewSerializer)
    def patch(self, request: Request, workspace: str, uid: str) -> Response:
        """Change its name or what it shows; what is left out stays."""
        view = _view(self)
        services.change_view(view, **validated(SavedViewChange, request.data), by=self.person)
        return Response(SavedViewSerializer(view).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, uid: str) -> Response:
        """Delete the view; its runs stay."""
        services.delete_view(_view(self), by=self.person)
        return Response(status=204)


def _views(view: ApiView) -> QuerySet[SavedView]:
    visible = SavedView.objects.visible_to(view.person, view.workspace)
    return visible.select_related("workspace", "experiment", "created_by")


def _view(view: ApiView) -> SavedView:
    return get_or_404(_views(view), uid=view.kwargs["uid"])
