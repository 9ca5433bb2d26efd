"""What every view of the JSON API stands on: strict query parameters, the workspace of the address, JSON whatever is accepted."""

from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import quote

from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils.functional import cached_property
from rest_framework import generics, serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlportal.access.models import User, Workspace
from mlportal.errors import BadInput

M = TypeVar("M", bound=Model)


class JSONAlways(DefaultContentNegotiation):
    """The API speaks JSON and files speak for themselves: an Accept header that wants something else is not worth a 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class ApiView(APIView):
    """Refuses query parameters that it does not know: a misspelt filter that is ignored shows somebody the wrong rows."""

    content_negotiation_class = JSONAlways
    query_serializer: type[serializers.Serializer[Any]] | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        known = self.known_parameters()
        for name in request.query_params:
            if name not in known:
                there = ", ".join(sorted(known)) or "none"
                raise BadInput(f"There is no query parameter {name!r} here; there are: {there}.", field=name)

    def known_parameters(self) -> set[str]:
        return set(self.query_serializer().fields) if self.query_serializer else set()

    def query(self, request: Request) -> dict[str, Any]:
        """The validated query parameters."""
        assert self.query_serializer is not None
        return validated(self.query_serializer, request.query_params)

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace of the address; 404 for those who are not in it."""
        return get_or_404(Workspace.objects.visible_to(self.request.user), name=self.kwargs["workspace"])

    @property
    def person(self) -> User:
        """The person who asks; the permission has made sure that it is one."""
        assert isinstance(self.request.user, User)
        return self.request.user


class ListView(ApiView, generics.ListAPIView[M]):
    """A collection, page by page, with the filters of `filterset_class` and no others."""

    filterset_class: Any = None

    def known_parameters(self) -> set[str]:
        filters = set(self.filterset_class.base_filters) if self.filterset_class else set()
        paging = {"cursor", "page_size"} if self.pagination_class else set()
        return super().known_parameters() | filters | paging


class DetailView(ApiView, generics.RetrieveAPIView[M]):
    """One object: `get_object` finds it through `visible_to`."""


def get_or_404(rows: QuerySet[M], **lookup: Any) -> M:
    found = rows.filter(**lookup).first()
    if found is None:
        raise Http404
    return found


def validated(serializer: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """The data as the serializer understands it; DRF's ValidationError (400) names the field."""
    checked = serializer(data=data)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


def created(data: Any, *path: str) -> Response:
    """201 with the address of what was made; `path` are its segments below the API's root."""
    return Response(data, status=201, headers={"Location": address(*path)})


def address(*path: object) -> str:
    return "/".join(["/api/v1", *(quote(str(part), safe="") for part in path), ""])
