"""What requests may say: bodies and query parameters of the experiments' part of the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from experiments.models import InputMode
from experiments.services.bulk import ACTIONS as BULK_ACTIONS
from experiments.services.client_runs import ENDINGS
from experiments.services.experiments import MAX_DESCRIPTION
from experiments.services.logs import STDOUT
from mlportal.api.fields import BIGGEST, Input, TextMap, WholeText

LOG_BYTES = 1 << 20


class EnvironmentReferenceInput(Input):
    name = serializers.CharField(max_length=255)
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, allow_null=True, default=None)


@extend_schema_field(EnvironmentReferenceInput)
class EnvironmentReference(serializers.Field[Any, Any, Any, Any]):
    """{"name", "version"}, or "name:version"; without a version it is the latest."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, str):
            name, colon, version = data.rpartition(":")
            data = {"name": name, "version": version} if colon and version.isdigit() else {"name": data}
        reference = EnvironmentReferenceInput(data=data)
        reference.is_valid(raise_exception=True)
        return dict(reference.validated_data)

    def to_representation(self, value: Any) -> Any:
        return value


class RunInputInput(Input):
    name = serializers.RegexField(
        r"\A[A-Za-z0-9_]{1,100}\Z", help_text="By which the script asks for it; letters, digits, underscores"
    )
    dataset = serializers.RegexField(r"\A[0-9a-f]{32}\Z", help_text="The uid of a dataset's version")
    mode = serializers.ChoiceField(choices=InputMode.choices, default=InputMode.DIRECT)


class SubmitInput(Input):
    experiment = serializers.CharField(max_length=255)
    snapshot = serializers.RegexField(r"\A[0-9a-f]{32}\Z", help_text="The uid of a snapshot")
    environment = EnvironmentReference()
    script = serializers.CharField(max_length=1024, trim_whitespace=False)
    arguments = serializers.ListField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False), default=list, help_text="One text a word"
    )
    target = serializers.CharField(max_length=63, default="local", help_text="The name of a compute target")
    name = serializers.CharField(max_length=255, allow_blank=True, default="")
    environment_variables = TextMap(default=dict)
    wall_seconds = serializers.IntegerField(min_value=1, max_value=2**31 - 1, allow_null=True, default=None)
    inputs = RunInputInput(many=True, default=list)
    tags = TextMap(nullable_values=True, default=dict)
    parent = serializers.RegexField(  # type: ignore[assignment]  # a field, not the attribute of fields
        r"\A[0-9a-f]{32}\Z", allow_null=True, default=None, help_text="The run that it is a child of"
    )


class StartInput(Input):
    experiment = serializers.CharField(
        max_length=255, allow_null=True, default=None, help_text="Null with a parent: the parent's"
    )
    parent = serializers.RegexField(  # type: ignore[assignment]  # a field, not the attribute of fields
        r"\A[0-9a-f]{32}\Z", allow_null=True, default=None, help_text="The run that it is a child of"
    )
    name = serializers.CharField(max_length=255, allow_blank=True, default="")
    tags = TextMap(nullable_values=True, default=dict)
    properties = TextMap(default=dict)


class FinishInput(Input):
    status = serializers.ChoiceField(choices=[ending.value for ending in ENDINGS])
    message = serializers.CharField(max_length=10_000, allow_blank=True, default="", help_text="What went wrong")
    code = serializers.CharField(
        max_length=200, allow_blank=True, default="", help_text="A short name of it; the failure's type"
    )


class RunChange(Input):
    name = serializers.CharField(max_length=255, allow_blank=True, required=False)
    description = serializers.CharField(max_length=5000, allow_blank=True, required=False)


class PropertiesInput(Input):
    properties = TextMap()


class ExperimentInput(Input):
    name = serializers.CharField(max_length=255)
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, default="")
    tags = TextMap(nullable_values=True, default=dict)


class ExperimentChange(Input):
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)
    tags = TextMap(nullable_values=True, required=False, help_text="Tags to set; those that are not named stay")
    remove_tags = serializers.ListField(child=serializers.CharField(max_length=250), required=False, max_length=1000)


class ComputeChange(Input):
    slots = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, required=False, help_text="Runs that it takes at a time"
    )
    description = serializers.CharField(max_length=500, allow_blank=True, required=False)


class ComputeInput(Input):
    name = serializers.CharField(max_length=63, help_text="2 to 63 letters, digits or hyphens")
    slots = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, default=1, help_text="Runs that it takes at a time"
    )
    description = serializers.CharField(max_length=500, allow_blank=True, default="")


class RerunInput(Input):
    as_of = serializers.DateField(
        allow_null=True, default=None, help_text="Take the packages as they were on this day."
    )


class TagsInput(Input):
    set = TextMap(nullable_values=True, default=dict)
    remove = serializers.ListField(child=serializers.CharField(max_length=250), default=list, max_length=1000)


class BulkInput(Input):
    action = serializers.ChoiceField(choices=BULK_ACTIONS)
    runs = serializers.ListField(
        child=serializers.RegexField(r"\A[0-9a-f]{32}\Z"), required=False, max_length=10_000, help_text="Their ids"
    )
    filter = serializers.CharField(
        max_length=20_000,
        allow_blank=True,
        required=False,
        help_text="In place of `runs`: all that match, as in `GET runs/`; empty for all of the experiment",
    )
    experiment = serializers.CharField(max_length=500, default="", help_text="With `filter`: only of this experiment")
    set = TextMap(nullable_values=True, default=dict, help_text="tag: tags to set")
    remove = serializers.ListField(child=serializers.CharField(max_length=250), default=list, max_length=1000)
    to = serializers.CharField(max_length=500, default="", help_text="move: the experiment's name; made when it is new")


class MetricsInput(Input):
    records = serializers.ListField(
        child=serializers.DictField(),
        max_length=10_000,
        help_text="Objects as the lines of metrics.jsonl: {t, k, n, v, s, …}",
    )


class DefinitionInput(Input):
    definition = WholeText(help_text="A conda YAML of at most 64 kB")
    as_of = serializers.DateField(allow_null=True, default=None)


class CheckInput(DefinitionInput):
    target = serializers.CharField(
        max_length=63,
        default=None,
        allow_null=True,
        help_text="The compute target whose Pythons count; else those of all",
    )


class EnvironmentInput(DefinitionInput):
    name = serializers.CharField(max_length=255)


class SnapshotInput(serializers.Serializer[Any]):
    """multipart/form-data: `files` with their `paths` in the same order, or one zip as `archive`."""

    files = serializers.ListField(child=serializers.FileField(), required=False)
    paths = serializers.ListField(child=serializers.CharField(), required=False)
    archive = serializers.FileField(required=False)


class BuildLogQuery(serializers.Serializer[Any]):
    after = serializers.IntegerField(
        min_value=0, max_value=BIGGEST, default=0, help_text="`after` of the answer before"
    )


class LogQuery(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=1024, default=STDOUT, trim_whitespace=False)
    offset = serializers.IntegerField(min_value=0, max_value=BIGGEST, default=0, help_text="Bytes")
    limit = serializers.IntegerField(min_value=1, max_value=8 * LOG_BYTES, default=LOG_BYTES, help_text="Bytes")
    download = serializers.BooleanField(default=False, help_text="The whole log, as an attachment")


class ArtifactQuery(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1024, trim_whitespace=False)
    download = serializers.BooleanField(default=False, help_text="Pictures as an attachment, too")


class SeriesQuery(serializers.Serializer[Any]):
    name = serializers.ListField(child=serializers.CharField(max_length=250, trim_whitespace=False), max_length=200)
    points = serializers.IntegerField(min_value=10, max_value=100_000, default=1000)


class StreamQuery(serializers.Serializer[Any]):
    log = serializers.CharField(
        max_length=1024,
        trim_whitespace=False,
        allow_blank=True,
        default="",
        help_text="The log to follow, as `…/logs/` names it; empty: none",
    )
    offset = serializers.IntegerField(
        min_value=0, max_value=BIGGEST, default=0, help_text="Bytes of the log that are known already"
    )
