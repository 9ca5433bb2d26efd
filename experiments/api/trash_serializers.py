"""What the trash and the rules of retention take and answer."""

from typing import Any

from rest_framework import serializers

from experiments import services
from experiments.models import Purge, RetentionRule, Run
from experiments.models.retention import KEEP_TAG, Direction
from experiments.services.retention import MOST_DAYS, MOST_KEPT, MOST_TEXT
from experiments.status import RunStatus
from mlportal.api.fields import Input

MOST = 1000  # named in one request


class Uids(serializers.ListField):
    child = serializers.RegexField(r"\A[0-9a-f]{32}\Z")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MOST, **kwargs)


class TrashInput(Input):
    runs = Uids(min_length=1, help_text="Their ids")


class RestoreInput(Input):
    runs = Uids(default=list, help_text="Their ids")
    experiments = serializers.ListField(
        child=serializers.CharField(max_length=500), max_length=MOST, default=list, help_text="Their names"
    )


class PurgeInput(RestoreInput):
    everything = serializers.BooleanField(default=False, help_text="All that is in the trash")
    dry_run = serializers.BooleanField(default=False, help_text="Only say what would be deleted")


class MovedSerializer(serializers.Serializer[Any]):
    runs = serializers.IntegerField(help_text="How many went or came, children included")


class TrashedRunSerializer(serializers.ModelSerializer[Run]):
    id = serializers.CharField(source="uid")
    display_name = serializers.CharField()
    experiment = serializers.CharField(source="experiment.name")
    parent = serializers.CharField(source="parent.uid", default=None, allow_null=True)  # type: ignore[assignment]  # a field
    children = serializers.IntegerField(source="trashed_children", help_text="Those that are in the trash with it")
    status = serializers.ChoiceField(choices=RunStatus.choices)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    deleted_by = serializers.CharField(source="deleted_by.username", default=None, allow_null=True)
    purge_at = serializers.DateTimeField(
        allow_null=True, help_text="When it is deleted for good; null: never by itself"
    )
    freed_bytes = serializers.IntegerField(help_text="Of its files, that nothing else refers to")
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = Run
        fields = [
            "id",
            "number",
            "name",
            "display_name",
            "experiment",
            "parent",
            "children",
            "status",
            "created_by",
            "created_at",
            "ended_at",
            "deleted_at",
            "deleted_by",
            "deleted_why",
            "purge_at",
            "freed_bytes",
            "page",
        ]


class TrashedExperimentSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    runs = serializers.IntegerField(source="trashed_count", help_text="Those that are in the trash")
    deleted_at = serializers.DateTimeField()
    deleted_by = serializers.CharField(source="deleted_by.username", default=None, allow_null=True)
    purge_at = serializers.DateTimeField(
        allow_null=True, help_text="When it is deleted for good; null: never by itself"
    )


class StayingSerializer(serializers.Serializer[Any]):
    run = serializers.CharField(source="uid")
    why = serializers.SerializerMethodField()

    def get_why(self, run: Run) -> str:
        return services.why_staying(run)


class PurgePlanSerializer(serializers.Serializer[Any]):
    runs = serializers.IntegerField(source="run_count", help_text="Children included")
    experiments = serializers.SerializerMethodField()
    freed_bytes = serializers.IntegerField(help_text="That nothing else refers to")
    models = serializers.SerializerMethodField()
    staying = serializers.SerializerMethodField()

    def get_experiments(self, plan: services.Plan) -> list[str]:
        """Their names; one that has other runs stays."""
        return [experiment.name for experiment in plan.experiments]

    def get_models(self, plan: services.Plan) -> list[str]:
        """Registered from these runs, as name:version: they keep their files, their code and where they came from."""
        return services.models_of(plan.runs)

    def get_staying(self, plan: services.Plan) -> list[dict[str, str]]:
        """Which runs are why something stays: they have not ended."""
        runs = {run.pk: run for run in plan.staying.values()}
        return [dict(StayingSerializer(run).data) for run in runs.values()]


class PurgeSerializer(serializers.ModelSerializer[Purge]):
    id = serializers.CharField(source="uid")
    by = serializers.CharField(source="by.username", default=None, allow_null=True, help_text="Null: by itself")
    runs = serializers.IntegerField(source="run_count", help_text="Children included")
    later_bytes = serializers.IntegerField(help_text="Expected, and not freed yet")

    class Meta:
        model = Purge
        fields = ["id", "by", "why", "runs", "expected_bytes", "freed_bytes", "later_bytes", "created_at", "ended_at"]


class UsageSerializer(serializers.Serializer[Any]):
    """Bytes. What several refer to is counted once in `total`, and in each of the others."""

    runs = serializers.IntegerField(help_text="Outputs and logs")
    snapshots = serializers.IntegerField(help_text="Code")
    models = serializers.IntegerField()
    data = serializers.IntegerField(help_text="The data store and datasets")  # type: ignore[assignment]  # a field
    environments = serializers.IntegerField(help_text="On the machines that built them")
    trash = serializers.IntegerField(help_text="That an empty trash would free")
    total = serializers.IntegerField()


def _days(**kwargs: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0, max_value=MOST_DAYS, allow_null=True, **kwargs)


class RuleChange(Input):
    enabled = serializers.BooleanField(required=False, help_text="Off: it does nothing by itself")
    older_than_days = _days(required=False, help_text="Since their end; null: of any age")
    keep_best = serializers.IntegerField(
        min_value=1, max_value=MOST_KEPT, allow_null=True, required=False, help_text="So many of each experiment stay"
    )
    metric = serializers.CharField(
        max_length=MOST_TEXT, allow_blank=True, required=False, help_text="Its last value says which runs are the best"
    )
    direction = serializers.ChoiceField(
        choices=Direction.choices,
        required=False,
        help_text="Which end is better; by default what the name says: less of a loss, an error or a time",
    )
    keep_tag = serializers.CharField(
        max_length=MOST_TEXT, allow_blank=True, required=False, help_text="Runs with it stay; empty: no tag does that"
    )
    purge_days = _days(
        required=False, help_text="How long the trash keeps these runs; 0: for ever; null: MLPORTAL_TRASH"
    )


class RuleInput(RuleChange):
    experiment = serializers.CharField(
        max_length=500, allow_null=True, default=None, help_text="Null: the whole workspace"
    )


class RuleSerializer(serializers.ModelSerializer[RetentionRule]):
    id = serializers.IntegerField(source="pk")
    experiment = serializers.CharField(source="experiment.name", default=None, allow_null=True)
    direction = serializers.ChoiceField(choices=Direction.choices)
    keep_tag = serializers.CharField(allow_blank=True, help_text=f"As it is made: {KEEP_TAG}")
    words = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = RetentionRule
        fields = [
            "id",
            "experiment",
            "enabled",
            "older_than_days",
            "keep_best",
            "metric",
            "direction",
            "keep_tag",
            "purge_days",
            "words",
            "created_by",
            "created_at",
            "updated_at",
            "applied_at",
            "applied_runs",
        ]

    def get_words(self, rule: RetentionRule) -> str:
        """What it does, in a sentence."""
        return services.as_words(rule)


class PreviewSerializer(serializers.Serializer[Any]):
    runs = serializers.SerializerMethodField()
    freed_bytes = serializers.IntegerField(help_text="That nothing else refers to, once they are deleted for good")
    looked_at = serializers.IntegerField(help_text="Finished runs that the rule is about")
    kept = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many stay: young, best, tagged, registered, related to such"
    )
    notes = serializers.ListField(child=serializers.CharField())

    def get_runs(self, preview: services.Preview) -> int:
        """How many it would move to the trash now."""
        return len(preview.runs)


class AppliedSerializer(serializers.Serializer[Any]):
    runs = serializers.IntegerField(help_text="How many it has moved to the trash")
