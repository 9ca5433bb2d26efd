"""What requests may say: bodies and query parameters of the registry's part of the API."""

from typing import Any

from rest_framework import serializers

from experiments.api.entries import Entries
from experiments.api.inputs import EnvironmentReference
from mlportal.api.fields import BIGGEST, Input, TextMap
from models_registry.models.registry import Framework, Stage
from models_registry.services.checks import MAX_DESCRIPTION, MAX_TAGS
from models_registry.services.keys import SLOTS
from models_registry.services.scaling import MOST_REFRESH, MOST_UTILIZATION


class RegisterInput(Input):
    """`run` and `path`, or `logged_model`, or `entries`."""

    run = serializers.RegexField(
        r"\A[0-9a-f]{32}\Z", allow_null=True, default=None, help_text="The uid of the run that made it"
    )
    path = serializers.CharField(
        max_length=1024, allow_null=True, default=None, help_text="A file or folder of the run: outputs/model.joblib"
    )
    logged_model = serializers.RegexField(
        r"\Am-[0-9a-f]{32}\Z",
        allow_null=True,
        default=None,
        help_text="What a run logged as a model, in MLflow 3's way",
    )
    entries = Entries(
        allow_null=True, default=None, help_text="Files of your own, which the workspace has: upload them to `blobs/`"
    )
    name = serializers.CharField(max_length=255, help_text="Of the model; one that exists gets its next version")
    environment = EnvironmentReference(
        allow_null=True, default=None, help_text="What it is served in; null: the environment of its run, if it has one"
    )
    framework = serializers.ChoiceField(choices=Framework.choices, default=Framework.SCIKITLEARN)
    framework_version = serializers.CharField(
        max_length=50, allow_blank=True, default="", help_text="Empty: the scikit-learn of the environment"
    )
    cpu = serializers.FloatField(allow_null=True, default=None, help_text="Cores of a replica")
    memory_gb = serializers.FloatField(allow_null=True, default=None, help_text="Gigabytes of a replica")
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, default="")
    tags = TextMap(default=dict, most=MAX_TAGS)
    properties = TextMap(default=dict, most=MAX_TAGS)
    golden = serializers.ListField(
        child=serializers.JSONField(),
        default=list,
        max_length=1000,
        help_text="Golden requests, as in golden_requests.json: [{name, data or request, method, answer, rtol, atol}, …]",
    )


class ModelChange(Input):
    """What is left out stays."""

    name = serializers.CharField(max_length=255, required=False, help_text="Rename it: its services go on")
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)
    add_tags = TextMap(required=False, most=MAX_TAGS, help_text="Tags beside those that are there")
    remove_tags = serializers.ListField(
        child=serializers.CharField(max_length=255), required=False, max_length=MAX_TAGS, help_text="Names of tags"
    )


class AliasInput(Input):
    version = serializers.IntegerField(min_value=1, max_value=BIGGEST, help_text="The version that it points to")


class StageInput(Input):
    stage = serializers.ChoiceField(choices=Stage.choices)
    archive_others = serializers.BooleanField(
        default=False, help_text="Archive the versions that are in this stage now: of Staging and Production"
    )


class VersionChange(Input):
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)
    tags = TextMap(required=False, most=MAX_TAGS, help_text="All tags of the version: those left out are removed")
    add_tags = TextMap(required=False, most=MAX_TAGS, help_text="Tags beside those that are there")
    remove_tags = serializers.ListField(
        child=serializers.CharField(max_length=255), required=False, max_length=MAX_TAGS, help_text="Names of tags"
    )
    add_properties = TextMap(required=False, most=MAX_TAGS, help_text="Properties are written once, and stay")
    framework_version = serializers.CharField(max_length=50, allow_blank=True, required=False)
    cpu = serializers.FloatField(allow_null=True, required=False, help_text="Cores of a replica")
    memory_gb = serializers.FloatField(allow_null=True, required=False, help_text="Gigabytes of a replica")


class ModelReferenceInput(Input):
    name = serializers.CharField(max_length=255)
    version = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, allow_null=True, default=None, help_text="Null: the latest"
    )


class InferenceInput(Input):
    """How models are served otherwise than by themselves. All may be left out that is not needed."""

    entry_script = serializers.CharField(
        max_length=1024, allow_blank=True, default="", help_text="A file of the snapshot, with init() and run(…)"
    )
    snapshot = serializers.RegexField(
        r"\A[0-9a-f]{32}\Z", allow_null=True, default=None, help_text="The uid of the snapshot that the script is in"
    )
    environment = EnvironmentReference(
        allow_null=True, default=None, help_text="Null: where the models were trained, or the curated one that fits"
    )
    environment_variables = TextMap(default=dict)


class ScalingInput(Input):
    """A number of `replicas`, or from `min_replicas` to `max_replicas` by load. What is left out stays."""

    replicas = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False, help_text="A fixed number")
    min_replicas = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False)
    max_replicas = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False)
    autoscale_target_utilization = serializers.IntegerField(
        min_value=1,
        max_value=MOST_UTILIZATION,
        required=False,
        help_text="Percent of a replica (70): more than 0.7 requests at once for each replica start another one",
    )
    autoscale_refresh_seconds = serializers.IntegerField(
        min_value=1, max_value=MOST_REFRESH, required=False, help_text="How often the load is looked at (1)"
    )


class DeployInput(Input):
    """One model as `model` and `version`, or several (or none) as `models`."""

    model = serializers.CharField(max_length=255, allow_null=True, default=None)
    version = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, allow_null=True, default=None, help_text="Null: the latest"
    )
    models = ModelReferenceInput(
        many=True, allow_null=True, default=None, help_text="Several need an entry script; a script may have none"
    )
    name = serializers.CharField(max_length=32, allow_blank=True, default="", help_text="Empty: a name is proposed")
    description = serializers.CharField(max_length=500, allow_blank=True, default="")
    tags = TextMap(default=dict, most=MAX_TAGS)
    auth_enabled = serializers.BooleanField(default=True, help_text="Whether callers need a key")
    cpu = serializers.FloatField(allow_null=True, default=None, help_text="Cores of a replica; null: the models' own")
    memory_gb = serializers.FloatField(
        allow_null=True, default=None, help_text="Gigabytes of a replica; null: the models' own"
    )
    inference = InferenceInput(allow_null=True, default=None)
    accept_changes = serializers.BooleanField(
        default=False, help_text="Make it live though golden requests are answered otherwise"
    )
    scaling = ScalingInput(required=False)
    overwrite = serializers.BooleanField(default=False, help_text="Redeploy the service of this name if there is one")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["model"] is not None and attrs["models"] is not None:
            raise serializers.ValidationError({"models": ["Give either model or models."]})
        one = [] if attrs["model"] is None else [{"name": attrs["model"], "version": attrs["version"]}]
        models = one if attrs["models"] is None else attrs["models"]
        if not models and not (attrs["inference"] or {}).get("entry_script"):
            raise serializers.ValidationError({"model": ["A service without an entry script needs a model."]})
        return {**attrs, "models": models}


class DeploymentChange(Input):
    """What is left out stays. `models` and `inference` are a redeployment; inference null: the model serves itself."""

    description = serializers.CharField(max_length=500, allow_blank=True, required=False)
    tags = TextMap(required=False, most=MAX_TAGS, help_text="All tags of the service: those left out are removed")
    auth_enabled = serializers.BooleanField(required=False)
    models = ModelReferenceInput(many=True, required=False)
    inference = InferenceInput(allow_null=True, required=False)
    accept_changes = serializers.BooleanField(
        required=False, help_text="Make it live though golden requests are answered otherwise"
    )
    scaling = ScalingInput(required=False)


class CandidateInput(Input):
    """A version as `version` (of the model that it has, or of `model`), or `models` and `inference`; and its shares."""

    model = serializers.CharField(max_length=255, required=False, help_text="Left out: the model it has")
    version = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False)
    models = ModelReferenceInput(many=True, required=False)
    inference = InferenceInput(required=False)
    percent = serializers.IntegerField(
        min_value=0, max_value=100, required=False, help_text="Of the requests, which it answers; left out: as it is"
    )
    mirror = serializers.IntegerField(
        min_value=0, max_value=100, required=False, help_text="Of the others, of which it gets a copy"
    )


class RedeployInput(Input):
    model = serializers.CharField(max_length=255, allow_null=True, default=None, help_text="Null: the model it has")
    version = serializers.IntegerField(min_value=1, max_value=BIGGEST)
    accept_changes = serializers.BooleanField(
        default=False, help_text="Make it live though golden requests are answered otherwise"
    )


class KeyInput(Input):
    key = serializers.ChoiceField(choices=SLOTS)


class FileQuery(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1024, trim_whitespace=False)
    download = serializers.BooleanField(default=False)
