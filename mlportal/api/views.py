"""What every view of the JSON API stands on: strict query parameters, the workspace of the address, JSON whatever is accepted."""

from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import quote

from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils.functional import cached_property
from rest_framework import exceptions, generics, serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlportal.access.models import User, Workspace
from mlportal.access.principals import RunPrincipal
from mlportal.api import idempotency, rates
from mlportal.errors import BadInput, NotFound

M = TypeVar("M", bound=Model)


class JSONAlways(DefaultContentNegotiation):
    """The API speaks JSON and files speak for themselves: an Accept header that wants something else is not worth a 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class ApiView(APIView):
    """Refuses query parameters that it does not know: a misspelt filter that is ignored shows somebody the wrong rows.

    With `output`, a GET takes `?fields=`, the names of what its answer is to have. `once` says whether a POST is done once
    for its Idempotency-Key. It is not where nothing is made, where the content is the key, and where the answer is a secret.
    """

    content_negotiation_class = JSONAlways
    query_serializer: type[serializers.Serializer[Any]] | None = None
    output: type[serializers.BaseSerializer[Any]] | None = None
    once = True
    refusals: frozenset[int] = frozenset()
    """What it may answer beside what all operations may, for the schema."""
    rate: rates.Rate | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if str(request.method) not in self.allowed_methods:
            raise exceptions.MethodNotAllowed(str(request.method))  # before its parameters are looked at
        self.refuse_unknown_parameters(request)
        if self.chosen and (unknown := sorted(self.chosen - self.there)):
            message = f"There is no field {unknown[0]!r} here; there are: {', '.join(sorted(self.there))}."
            raise BadInput(message, code="unknown_field", field="fields")
        if request.method == "POST" and self.once and idempotency.HEADER in request.headers:
            if "workspace" in kwargs:
                _ = self.workspace  # 404 for who has left it since the first request
            this: Any = self  # whose class may have a `post`, and then it is called in its place
            this.post = idempotency.once(this.post, request)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, exceptions.AuthenticationFailed | exceptions.NotAuthenticated):
            exc = rates.refused(exc, self.request.META["REMOTE_ADDR"])
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        if self.rate:
            self.rate.write(response)
        if self.chosen and isinstance(response, Response) and response.status_code == 200:
            response.data = _only(response.data, self.chosen)
        return super().finalize_response(request, response, *args, **kwargs)

    @cached_property
    def there(self) -> set[str]:
        """The names that `?fields=` can choose from."""
        return set(getattr(self.output(), "fields", ())) if self.output else set()

    @cached_property
    def chosen(self) -> frozenset[str] | None:
        """The names that `?fields=` has chosen; None: all."""
        asked = self.request.query_params.get("fields") if self.request.method == "GET" else None
        return frozenset(name.strip() for name in asked.split(",")) if asked is not None else None

    def refuse_unknown_parameters(self, request: Request) -> None:
        known = self.known_parameters() | ({"fields"} if self.there and request.method == "GET" else set())
        for name in request.query_params:
            if name not in known:
                there = ", ".join(sorted(known)) or "none"
                message = f"There is no query parameter {name!r} here; there are: {there}."
                raise BadInput(message, code="unknown_parameter", field=name)

    def known_parameters(self) -> set[str]:
        return set(self.query_serializer().fields) if self.query_serializer else set()

    def query(self, request: Request) -> dict[str, Any]:
        """The validated query parameters."""
        assert self.query_serializer is not None
        return validated(self.query_serializer, request.query_params)

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace of the address; 404 for those who are not in it."""
        name = self.kwargs["workspace"]
        found = Workspace.objects.visible_to(self.request.user).filter(name=name).first()
        if found is None:
            raise NotFound(f"There is no workspace {name!r} here, or it is not yours to see.")
        return found

    @property
    def asker(self) -> User | RunPrincipal:
        """Who asks, where a running script may: the permission has let in nobody else."""
        assert isinstance(self.request.user, User | RunPrincipal)
        return self.request.user

    @property
    def person(self) -> User:
        """The person who asks; the permission has made sure that it is one."""
        assert isinstance(self.request.user, User)
        return self.request.user


class RowsView(ApiView, generics.GenericAPIView[M]):
    """Answers rows: what `?fields=` leaves out is not even worked out."""

    @cached_property
    def there(self) -> set[str]:
        return set(getattr(self.get_serializer_class()(), "fields", ()))

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer: Any = super().get_serializer(*args, **kwargs)
        if self.chosen:
            fields = getattr(serializer, "child", serializer).fields
            for name in self.there - self.chosen:
                fields.pop(name)
        return serializer


class ListView(RowsView[M], generics.ListAPIView[M]):
    """A collection, page by page, with the filters of `filterset_class` and no others."""

    filterset_class: Any = None

    def known_parameters(self) -> set[str]:
        filters = set(self.filterset_class.base_filters) if self.filterset_class else set()
        paging = {"cursor", "page_size"} if self.pagination_class else set()
        return super().known_parameters() | filters | paging


class DetailView(RowsView[M], generics.RetrieveAPIView[M]):
    """One object: `get_object` finds it through `visible_to`."""


def get_or_404(rows: QuerySet[M], **lookup: Any) -> M:
    found = rows.filter(**lookup).first()
    if found is None:
        raise Http404
    return found


def _only(data: Any, names: frozenset[str]) -> Any:
    """Of an object, or of each of a list, these names; a page of results has been chosen from already."""
    if isinstance(data, list):
        return [_only(item, names) for item in data]
    if isinstance(data, dict) and not {"results", "next", "previous"} <= data.keys():
        return {name: value for name, value in data.items() if name in names}
    return data


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
