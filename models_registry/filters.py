"""The filters of the collections, field by field: nothing else of a row can be asked about."""

from django_filters import rest_framework as filters

from models_registry.models import Deployment, RegisteredModel
from models_registry.status import DeploymentStatus


class ModelFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter is not typed
    search = filters.CharFilter("name", "icontains", max_length=255, help_text="Part of the name")

    class Meta:
        model = RegisteredModel
        fields: list[str] = []


class DeploymentFilter(filters.FilterSet):  # type: ignore[misc]
    """`?status=Healthy&status=Unhealthy` takes either."""

    search = filters.CharFilter("name", "icontains", max_length=32, help_text="Part of the name")
    status = filters.MultipleChoiceFilter("status", choices=DeploymentStatus.choices)
    model = filters.CharFilter("version__model__name", max_length=255)

    class Meta:
        model = Deployment
        fields: list[str] = []
