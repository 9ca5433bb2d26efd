"""Runs beside one another: values, curves, and how two of them differ. By GET, or by POST when there are many runs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments.metrics import Goal, encode
from experiments.models import Run
from experiments.services import comparing
from experiments.services.comparing import Chosen, Tables
from mlportal.api.fields import Input
from mlportal.api.views import ApiView, validated
from mlportal.errors import NotFound, TooLarge

UID = r"\A[0-9a-f]{32}\Z"
NAMES = 20  # of metrics whose curves come in one answer


@extend_schema_field({"type": "string", "pattern": "^[0-9a-f]{32}(,[0-9a-f]{32})*$"})
class Uids(serializers.CharField):
    """`uid,uid,…` as a list."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(help_text="Their uids, with commas between", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        each = serializers.ListField(child=serializers.RegexField(UID))
        return each.run_validation([part.strip() for part in super().to_internal_value(data).split(",")])


class RunsQuery(serializers.Serializer[Any]):
    runs = Uids()


class RunsInput(Input):
    runs = serializers.ListField(child=serializers.RegexField(UID), min_length=1, help_text="Their uids")


class ValuesQuery(RunsQuery):
    search = serializers.CharField(
        max_length=250, allow_blank=True, default="", help_text="Part of the names that are wanted"
    )


class ValuesInput(RunsInput):
    search = serializers.CharField(
        max_length=250, allow_blank=True, default="", help_text="Part of the names that are wanted"
    )


class CurvesQuery(RunsQuery):
    name = serializers.ListField(
        child=serializers.CharField(max_length=250, trim_whitespace=False), max_length=NAMES, help_text="Of metrics"
    )
    points = serializers.IntegerField(min_value=10, max_value=10_000, default=500, help_text="Most of each curve")


class CurvesInput(RunsInput):
    name = serializers.ListField(
        child=serializers.CharField(max_length=250, trim_whitespace=False), max_length=NAMES, help_text="Of metrics"
    )
    points = serializers.IntegerField(min_value=10, max_value=10_000, default=500, help_text="Most of each curve")


class TwoQuery(serializers.Serializer[Any]):
    before = serializers.RegexField(UID, help_text="The uid of a run")
    after = serializers.RegexField(UID, help_text="The uid of the run that it is compared with")


class FileQuery(TwoQuery):
    path = serializers.CharField(max_length=1024, trim_whitespace=False, help_text="Of a file in one of the snapshots")


class ComparedRunSerializer(serializers.ModelSerializer[Run]):
    id = serializers.CharField(source="uid")
    display_name = serializers.CharField()
    experiment = serializers.CharField(source="experiment.name")
    final = serializers.BooleanField(source="is_final")
    environment = serializers.CharField(source="environment_version", default=None, allow_null=True)
    target = serializers.CharField(source="compute_target.name", default=None, allow_null=True)
    snapshot = serializers.CharField(source="snapshot.uid", default=None, allow_null=True)
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = Run
        fields = [
            "id",
            "number",
            "name",
            "display_name",
            "experiment",
            "status",
            "final",
            "started_at",
            "ended_at",
            "script",
            "arguments",
            "environment",
            "target",
            "snapshot",
            "revision",
            "page",
        ]


TEXT = {"type": "string", "nullable": True}
NUMBER = {"oneOf": [{"type": "number"}, {"type": "string"}], "nullable": True}


class Column(serializers.Field[Any, Any, Any, Any]):
    """A value for each run, in the order of `runs`; null where a run has none."""

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "array", "items": TEXT})
class Texts(Column):
    pass


@extend_schema_field({"type": "array", "items": NUMBER})
class Numbers(Column):
    """What is not finite is "NaN", "Infinity" or "-Infinity"."""


@extend_schema_field({"type": "array", "items": {"type": "integer", "nullable": True}})
class Counts(Column):
    pass


class TextRowSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    differs = serializers.BooleanField()
    values = Texts(help_text="In the order of `runs`; null where a run has none")


class MetricRowSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    differs = serializers.BooleanField()
    goal = serializers.ChoiceField(choices=[goal.value for goal in Goal], help_text="Which end is taken for the best")
    last = Numbers(help_text='In the order of `runs`; what is not finite is "NaN", "Infinity" or "-Infinity"')
    min = Numbers(help_text="NaN is left out of it")
    max = Numbers(help_text="NaN is left out of it")
    count = Counts(help_text="How many points each run has")
    best = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="{last, min, max, best: the ids of the runs with the best value of it}",
    )


class ComparisonSerializer(serializers.Serializer[Any]):
    runs = ComparedRunSerializer(many=True)
    missing = serializers.IntegerField(help_text="Of the runs that were asked for: not there, or not for the caller")
    parameters = TextRowSerializer(many=True)
    tags = TextRowSerializer(many=True)
    metrics = MetricRowSerializer(many=True)
    left_out = serializers.DictField(
        child=serializers.IntegerField(), help_text="{kind: how many names are not told}; `search` finds them"
    )


class CurvesSerializer(serializers.Serializer[Any]):
    curves = serializers.DictField(
        help_text="{name: {id of a run: {steps, times (epoch seconds), values, count}}}",
    )
    left_out = serializers.IntegerField(help_text="Curves beyond MLPORTAL_COMPARE_POINTS")
    missing = serializers.IntegerField(help_text="Of the runs that were asked for: not there, or not for the caller")


class ChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)


class FileChangeSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    kind = serializers.CharField(help_text="added, removed or changed")
    size_before = serializers.IntegerField(allow_null=True)
    size_after = serializers.IntegerField(allow_null=True)


class EnvironmentChangesSerializer(serializers.Serializer[Any]):
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    packages = ChangeSerializer(many=True, allow_null=True, help_text="null: one of them is not resolved")


LINES = {
    "type": "array",
    "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
}


@extend_schema_field(LINES)
class Lines(serializers.Field[Any, Any, Any, Any]):
    """[[mark, text], …]"""

    def to_representation(self, value: Any) -> Any:
        return [list(line) for line in value]


class DifferenceSerializer(serializers.Serializer[Any]):
    facts = ChangeSerializer(many=True)
    arguments = Lines(help_text='["-", "+" or " ", word]')
    parameters = ChangeSerializer(many=True)
    files = FileChangeSerializer(many=True, allow_null=True, help_text="null: one of them has no snapshot")
    same_files = serializers.IntegerField()
    environment = EnvironmentChangesSerializer()


class FileDifferenceSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    kind = serializers.CharField(help_text="added, removed or changed")
    lines = Lines(allow_null=True, help_text='["-", "+", " " or "@", line]; null: there are none to show')
    why = serializers.CharField(allow_blank=True, help_text="Why there are none")


class Compare(ApiView):
    query_serializer = ValuesQuery
    output = ComparisonSerializer
    once = False  # nothing is made

    def known_parameters(self) -> set[str]:
        return super().known_parameters() if self.request.method == "GET" else set()

    @extend_schema(parameters=[ValuesQuery], responses=ComparisonSerializer)
    def get(self, request: Request, workspace: str) -> Response:
        """Compare runs: their parameters, tags and metrics, name by name."""
        return self._answer(**self.query(request))

    @extend_schema(request=ValuesInput, responses=ComparisonSerializer)
    def post(self, request: Request, workspace: str) -> Response:
        """The same for more runs than an address holds."""
        return self._answer(**validated(ValuesInput, request.data))

    def _answer(self, runs: list[str], search: str) -> Response:
        chosen = chosen_of(self, runs)
        return Response(
            ComparisonSerializer(as_json(chosen, comparing.compared_values(chosen.runs, search=search))).data
        )


class Curves(ApiView):
    query_serializer = CurvesQuery
    output = CurvesSerializer
    once = False

    def known_parameters(self) -> set[str]:
        return super().known_parameters() if self.request.method == "GET" else set()

    @extend_schema(parameters=[CurvesQuery], responses=CurvesSerializer)
    def get(self, request: Request, workspace: str) -> Response:
        """The curves of these metrics in all the runs, each thinned to `points`."""
        return self._answer(**self.query(request))

    @extend_schema(request=CurvesInput, responses=CurvesSerializer)
    def post(self, request: Request, workspace: str) -> Response:
        """The same for more runs than an address holds."""
        return self._answer(**validated(CurvesInput, request.data))

    def _answer(self, runs: list[str], name: list[str], points: int) -> Response:
        chosen = chosen_of(self, runs)
        found = comparing.compared_curves(chosen.runs, name, points=points)
        return Response({"curves": found.curves, "left_out": found.left_out, "missing": chosen.missing})


class TwoRuns(ApiView):
    query_serializer = TwoQuery
    output = DifferenceSerializer

    @extend_schema(parameters=[TwoQuery], responses=DifferenceSerializer)
    def get(self, request: Request, workspace: str) -> Response:
        """How one run differs from another: parameters, arguments, files of the snapshots, packages."""
        return Response(DifferenceSerializer(comparing.compare_two(*two_of(self, self.query(request)))).data)


class OneFile(ApiView):
    query_serializer = FileQuery
    output = FileDifferenceSerializer

    @extend_schema(
        parameters=[FileQuery],
        responses=OpenApiResponse(FileDifferenceSerializer, description="As `diff -u` tells it"),
    )
    def get(self, request: Request, workspace: str) -> Response:
        """A file of two runs' snapshots line by line; 404 when it does not differ."""
        wish = self.query(request)
        return Response(FileDifferenceSerializer(comparing.compare_file(*two_of(self, wish), wish["path"])).data)


def chosen_of(view: ApiView, uids: list[str]) -> Chosen:
    chosen = comparing.compared_runs(view.workspace, uids, by=view.person)
    if chosen.over:
        limit = settings.COMPARE_RUNS
        raise TooLarge(
            f"At most {limit} runs are compared at a time (MLPORTAL_COMPARE_RUNS).", field="runs", limit=limit
        )
    return chosen


def two_of(view: ApiView, wish: dict[str, Any]) -> tuple[Run, Run]:
    uids = [wish["before"], wish["after"]]
    found = {run.uid: run for run in comparing.compared_runs(view.workspace, uids, by=view.person).runs}
    for name in ("before", "after"):
        if wish[name] not in found:
            raise NotFound("There is no such run in this workspace, or it is not yours to see.", field=name)
    return found[wish["before"]], found[wish["after"]]


def as_json(chosen: Chosen, values: Tables) -> dict[str, Any]:
    uids = [run.uid for run in chosen.runs]

    def texts(rows: list[comparing.TextRow]) -> list[dict[str, Any]]:
        return [{"name": row.name, "differs": row.differs, "values": row.values} for row in rows]

    metrics = [
        {
            "name": row.name,
            "differs": row.differs,
            "goal": row.goal.value,
            **{column: encode(row.values(column)) for column in ("last", "min", "max")},
            "count": [None if summary is None else summary.count for summary in row.summaries],
            "best": {statistic: [uids[at] for at in sorted(row.best(statistic))] for statistic in comparing.STATISTICS},
        }
        for row in values.metrics
    ]
    return {
        "runs": chosen.runs,
        "missing": chosen.missing,
        "parameters": texts(values.parameters),
        "tags": texts(values.tags),
        "metrics": metrics,
        "left_out": values.left_out,
    }
