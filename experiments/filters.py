"""The filters of the collections, field by field: nothing else of a row can be asked about."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django_filters import rest_framework as filters

from experiments.models import Environment, Experiment, Run, RunProperty, Tag
from experiments.search import Found, Wanted
from experiments.status import RunStatus
from mlportal.api.filters import Words


class RunFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter is not typed
    """`?status=Running&status=Queued` takes either."""

    experiment = filters.CharFilter("experiment__name", max_length=255)
    status = filters.MultipleChoiceFilter("status", choices=RunStatus.choices)
    created_by = filters.CharFilter("created_by__username", max_length=150)
    search = filters.CharFilter("name", "icontains", max_length=255, help_text="Part of the run's name")
    parent = filters.CharFilter("parent__uid", max_length=32, help_text="The children of this run")
    root = filters.BooleanFilter("parent", "isnull", help_text="Runs without a parent, or those with one")
    tag = Words(method="with_tag")
    property = Words(method="with_property")
    filter = filters.CharFilter(
        method="matching",
        max_length=20_000,
        help_text="A search in MLflow's language, with OR, NOT and parentheses:"
        " `metrics.loss < 0.1 and (params.kernel = 'rbf' or tags.team = 'x')`",
    )
    order_by = Words(method="in_order", help_text="`metrics.loss DESC`; given several times, one after the other")

    class Meta:
        model = Run
        fields: list[str] = []

    def with_tag(self, runs: QuerySet[Run], name: str, words: list[str]) -> QuerySet[Run]:
        return having(Tag, runs, words)

    def matching(self, runs: QuerySet[Run], name: str, text: str) -> QuerySet[Run]:
        return Found(runs, Wanted(text, is_search=True)).runs

    def in_order(self, runs: QuerySet[Run], name: str, keys: list[str]) -> QuerySet[Run]:
        Wanted(orders=tuple(keys)).check()
        return runs  # the pages put them in order

    def with_property(self, runs: QuerySet[Run], name: str, words: list[str]) -> QuerySet[Run]:
        return having(RunProperty, runs, words)


def having(model: type[Tag | RunProperty], runs: QuerySet[Run], words: list[str]) -> QuerySet[Run]:
    """The runs that have a row of each name, or of each name with this value; a name may hold a = itself."""
    for word in words:
        name, _, value = word.partition("=")
        alike = Q(name=word) | Q(name=name, value=value) if "=" in word else Q(name=word)
        runs = runs.filter(Exists(model.objects.filter(alike, run=OuterRef("pk"))))
    return runs


class ExperimentFilter(filters.FilterSet):  # type: ignore[misc]
    search = filters.CharFilter("name", "icontains", max_length=255, help_text="Part of the name")
    archived = filters.ChoiceFilter(
        choices=[(word, word) for word in ("true", "false", "all")],
        method="by_archive",
        help_text="Those that are archived, those that are not (if you do not say), or all",
    )

    class Meta:
        model = Experiment
        fields: list[str] = []

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(
            {"archived": "false"} | {name: value for name, value in (data or {}).items() if value}, *args, **kwargs
        )

    def by_archive(self, experiments: QuerySet[Experiment], name: str, value: str) -> QuerySet[Experiment]:
        return experiments if value == "all" else experiments.filter(archived_at__isnull=value == "false")


class EnvironmentFilter(filters.FilterSet):  # type: ignore[misc]
    search = filters.CharFilter("name", "icontains", max_length=255, help_text="Part of the name")
    curated = filters.BooleanFilter("curated", help_text="Those that ship with the portal, or those that do not")

    class Meta:
        model = Environment
        fields: list[str] = []
