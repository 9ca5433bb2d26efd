"""The filters of the collections, field by field: nothing else of a row can be asked about."""

from django_filters import rest_framework as filters

from experiments.models import Environment, Experiment, Run
from experiments.status import RunStatus


class RunFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter is not typed
    """`?status=Running&status=Queued` takes either."""

    experiment = filters.CharFilter("experiment__name", max_length=255)
    status = filters.MultipleChoiceFilter("status", choices=RunStatus.choices)
    created_by = filters.CharFilter("created_by__username", max_length=150)
    search = filters.CharFilter("name", "icontains", max_length=255, help_text="Part of the run's name")

    class Meta:
        model = Run
        fields: list[str] = []


class ExperimentFilter(filters.FilterSet):  # type: ignore[misc]
    search = filters.CharFilter("name", "icontains", max_length=255, help_text="Part of the name")
    archived = filters.BooleanFilter("archived_at", "isnull", exclude=True)

    class Meta:
        model = Experiment
        fields: list[str] = []


class EnvironmentFilter(filters.FilterSet):  # type: ignore[misc]
    search = filters.CharFilter("name", "icontains", max_length=255, help_text="Part of the name")
    curated = filters.BooleanFilter("curated", help_text="Those that ship with the portal, or those that do not")

    class Meta:
        model = Environment
        fields: list[str] = []
