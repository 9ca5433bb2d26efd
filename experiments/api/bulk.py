"""One action on many runs."""

from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.inputs import BulkInput
from experiments.models import Run
from experiments.search import Found, Wanted
from mlportal.api.views import ApiView, validated
from mlportal.errors import BadInput


class RefusedSerializer(serializers.Serializer[Any]):
    uid = serializers.CharField()
    name = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class OutcomeSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    refused = RefusedSerializer(many=True)


class Bulk(ApiView):
    @extend_schema(request=BulkInput, responses=OutcomeSerializer)
    def post(self, request: Request, workspace: str) -> Response:
        """Cancel, tag, trash or move many runs; the answer names those to which it could not be done, and why.

        They are named by `runs`, or by `filter`; ids that are none of the caller's are left out.
        """
        wish = validated(BulkInput, request.data)
        if ("runs" in wish) == ("filter" in wish):
            raise BadInput("Name either `runs` or a `filter`.", field="runs")
        runs: QuerySet[Run] = Run.objects.kept().visible_to(self.person, self.workspace)
        if "runs" in wish:
            runs = runs.filter(uid__in=wish["runs"])
        else:
            if wish["experiment"]:
                runs = runs.filter(experiment__name=wish["experiment"])
            runs = Found(runs, Wanted(wish["filter"], is_search=True)).runs
        outcome = services.act_on_runs(
            self.workspace,
            runs,
            wish["action"],
            set_to=wish["set"],
            remove=wish["remove"],
            experiment=wish["to"],
            by=self.person,
        )
        return Response(OutcomeSerializer(asdict(outcome)).data)
