"""Rules that move finished runs to the trash by themselves."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.trash import named_experiments
from experiments.api.trash_serializers import (
    AppliedSerializer,
    PreviewSerializer,
    RuleChange,
    RuleInput,
    RuleSerializer,
)
from experiments.models import RetentionRule
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated


class Rules(ListView[RetentionRule]):
    queryset = RetentionRule.objects.none()
    serializer_class = RuleSerializer

    def get_queryset(self) -> QuerySet[RetentionRule]:
        """Of the workspace and of its experiments, newest first."""
        return rules_of(self)

    @extend_schema(request=RuleInput, responses={201: RuleSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Make the rule of the workspace or of an experiment, off unless `enabled` says otherwise. 409 when there is one."""
        rule = services.set_rule(self.workspace, **wished(self, request), by=self.person)
        return created(RuleSerializer(rule).data, "workspaces", workspace, "retention", str(rule.pk))


class RuleDetail(DetailView[RetentionRule]):
    serializer_class = RuleSerializer

    def get_object(self) -> RetentionRule:
        return rule_of(self)

    @extend_schema(request=RuleChange, responses=RuleSerializer)
    def patch(self, request: Request, workspace: str, number: int) -> Response:
        """Change it; what is left out stays."""
        changes = validated(RuleChange, request.data)
        return Response(RuleSerializer(services.update_rule(rule_of(self), **changes, by=self.person)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, number: int) -> Response:
        """Delete it. What it has moved to the trash stays there."""
        services.delete_rule(rule_of(self), by=self.person)
        return Response(status=204)


class RulePreview(ApiView):
    output = PreviewSerializer

    @extend_schema(responses=PreviewSerializer)
    def get(self, request: Request, workspace: str, number: int) -> Response:
        """What it would move to the trash now, and how many bytes that would free in the end."""
        return Response(PreviewSerializer(services.preview(rule_of(self))).data)


class Preview(ApiView):
    @extend_schema(request=RuleInput, responses=PreviewSerializer)
    def post(self, request: Request, workspace: str) -> Response:
        """The same of a rule that is not made."""
        wish = wished(self, request)
        require(Role.OWNER, self.workspace, self.person)
        rule = RetentionRule(workspace=self.workspace, experiment=wish.pop("experiment"))
        return Response(PreviewSerializer(services.preview(services.clean_rule(rule, **wish))).data)


class RuleApply(ApiView):
    @extend_schema(request=None, responses=AppliedSerializer)
    def post(self, request: Request, workspace: str, number: int) -> Response:
        """Do now what it does by itself once an hour, whether it is on or off."""
        return Response({"runs": services.apply_rule(rule_of(self), by=self.person)})


def wished(view: ApiView, request: Request) -> dict[str, Any]:
    wish = validated(RuleInput, request.data)
    name = wish["experiment"]
    return wish | {"experiment": None if name is None else named_experiments(view, [name])[0]}


def rules_of(view: ApiView) -> QuerySet[RetentionRule]:
    rules = RetentionRule.objects.visible_to(view.person, view.workspace)
    return rules.select_related("workspace", "experiment", "created_by")


def rule_of(view: ApiView) -> RetentionRule:
    return get_or_404(rules_of(view), pk=view.kwargs["number"])
