"""The filters of the collections, field by field: nothing else of a row can be asked about."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django_filters import rest_framework as filters

from mlportal.api.filters import Words
from models_registry.models import Deployment, ModelVersion, RegisteredModel
from models_registry.models.registry import Framework
from models_registry.querysets.registry import HasPair
from models_registry.status import DeploymentStatus


class OfVersions(filters.FilterSet):  # type: ignore[misc]  # django-filter is not typed
    """What can be asked of a version."""

    tag = Words(method="having")
    property = Words(method="having")
    framework = filters.ChoiceFilter(choices=Framework.choices, method="equal")
    run = filters.CharFilter(max_length=32, method="equal", help_text="The uid of the run that it comes from")

    class Meta:
        model = ModelVersion
        fields: list[str] = []

    def having(self, versions: QuerySet[ModelVersion], name: str, words: list[str]) -> QuerySet[ModelVersion]:
        column = {"tag": "tags", "property": "properties"}[name]
        for word in words:
            alike = Q(HasPair(column, word))
            if "=" in word:
                key, _, value = word.partition("=")
                alike |= Q(HasPair(column, key, value))
            versions = versions.filter(alike)
        return versions

    def equal(self, versions: QuerySet[ModelVersion], name: str, value: str) -> QuerySet[ModelVersion]:
        if name == "run":
            return versions.filter(Q(run__uid=value) | Q(lineage__run=value))
        return versions.filter(**{name: value})


class VersionFilter(OfVersions):
    name = filters.CharFilter("model__name", max_length=255, help_text="Of the model")
    latest = filters.BooleanFilter(method="newest", help_text="The latest version of each model, or all but those")

    def newest(self, versions: QuerySet[ModelVersion], name: str, value: bool) -> QuerySet[ModelVersion]:
        newer = ModelVersion.objects.filter(model=OuterRef("model"), version__gt=OuterRef("version"))
        return versions.filter(~Exists(newer) if value else Exists(newer))


class ModelFilter(OfVersions):
    """Of the versions' filters: models with a version that is all that."""

    search = filters.CharFilter("name", "icontains", max_length=255, help_text="Part of the name")
    name = filters.CharFilter("name", max_length=255)

    class Meta:
        model = RegisteredModel
        fields: list[str] = []

    def filter_queryset(self, models: QuerySet[RegisteredModel]) -> QuerySet[RegisteredModel]:
        asked: dict[str, Any] = {name: value for name, value in self.form.cleaned_data.items() if value}
        versions = ModelVersion.objects.filter(model=OuterRef("pk"))
        for name in asked.keys() & OfVersions.base_filters.keys():
            versions = self.filters[name].filter(versions, asked[name])
        for name in asked.keys() - OfVersions.base_filters.keys():
            models = self.filters[name].filter(models, asked[name])
        return models.filter(Exists(versions)) if asked.keys() & OfVersions.base_filters.keys() else models


class DeploymentFilter(filters.FilterSet):  # type: ignore[misc]
    """`?status=Healthy&status=Unhealthy` takes either."""

    search = filters.CharFilter("name", "icontains", max_length=32, help_text="Part of the name")
    status = filters.MultipleChoiceFilter("status", choices=DeploymentStatus.choices)
    model = filters.CharFilter("revision__parts__version__model__name", max_length=255, distinct=True)

    class Meta:
        model = Deployment
        fields: list[str] = []
