"""Files that a service scores, for members of its workspace."""

from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from mlportal.api.content import FileBytes, attach, guard
from mlportal.api.fields import BIGGEST
from mlportal.api.views import ApiView
from models_registry.api.bodies import AsIs, file_in
from models_registry.api.deployments import deployment_of
from models_registry.serving.file_scoring import score_file


class ScoreFileQuery(serializers.Serializer[Any]):
    method = serializers.CharField(
        max_length=60, default="", allow_blank=True, help_text="Such as predict_proba; empty: the model's first"
    )
    first = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, default=1, help_text="The number that errors call the first row by"
    )


class ScoreFile(ApiView):
    parser_classes = [AsIs]
    query_serializer = ScoreFileQuery
    once = False
    refusals = frozenset({408, 429, 500, 504})

    @extend_schema(
        parameters=[ScoreFileQuery],
        request={"text/csv": OpenApiTypes.STR},
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def post(self, request: Request, workspace: str, name: str) -> HttpResponseBase:
        """Have a CSV scored, without a key: its rows come back with the answers beside them, as more columns.

        Columns are found by their names, in any order; those that the model does not take stay. It is all or nothing: where
        one row is refused, the error says which. Texts that a spreadsheet would take for a formula have a ' before them.
        """
        found = score_file(deployment_of(self), file_in(request), **self.query(request))
        size = found.seek(0, 2)
        found.seek(0)
        response = StreamingHttpResponse(FileBytes(found, size), content_type="text/csv; charset=utf-8")  # type: ignore[arg-type]
        response["Content-Length"] = str(size)
        attach(response, f"{name}-scored.csv", attachment=True)
        guard(response)
        return response
