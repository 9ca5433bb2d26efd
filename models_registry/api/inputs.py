"""What requests may say: bodies and query parameters of the registry's part of the API."""

from typing import Any

from rest_framework import serializers

from mlportal.api.fields import BIGGEST, Input, TextMap
from models_registry.models.registry import Framework
from models_registry.services.keys import SLOTS
from models_registry.services.registration import MAX_DESCRIPTION, MAX_TAGS


class RegisterInput(Input):
    run = serializers.RegexField(r"\A[0-9a-f]{32}\Z", help_text="The uid of the run that made it")
    name = serializers.CharField(max_length=255, help_text="Of the model; one that exists gets its next version")
    path = serializers.CharField(max_length=1024, help_text="A file or folder of the run, such as outputs/model.joblib")
    framework = serializers.ChoiceField(choices=Framework.choices, default=Framework.SCIKITLEARN)
    framework_version = serializers.CharField(
        max_length=50, allow_blank=True, default="", help_text="Empty: the scikit-learn of the run's environment"
    )
    cpu = serializers.FloatField(allow_null=True, default=None, help_text="Cores of a replica")
    memory_gb = serializers.FloatField(allow_null=True, default=None, help_text="Gigabytes of a replica")
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, default="")
    tags = TextMap(default=dict, most=MAX_TAGS)
    properties = TextMap(default=dict, most=MAX_TAGS)


class VersionChange(Input):
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)
    tags = TextMap(required=False, most=MAX_TAGS, help_text="All tags of the version: those left out are removed")


class DeployInput(Input):
    model = serializers.CharField(max_length=255)
    version = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, allow_null=True, default=None, help_text="Null: the latest"
    )
    name = serializers.CharField(max_length=32, allow_blank=True, default="", help_text="Empty: a name is proposed")
    description = serializers.CharField(max_length=500, allow_blank=True, default="")
    auth_enabled = serializers.BooleanField(default=True, help_text="Whether callers need a key")


class RedeployInput(Input):
    model = serializers.CharField(max_length=255, allow_null=True, default=None, help_text="Null: the model it has")
    version = serializers.IntegerField(min_value=1, max_value=BIGGEST)


class KeyInput(Input):
    key = serializers.ChoiceField(choices=SLOTS)


class FileQuery(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1024, trim_whitespace=False)
    download = serializers.BooleanField(default=False)
