"""Files as clients name them, in the requests that refer to bytes; thousands at a time, so they are read by hand."""

import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from experiments.services.uploads import Named
from mlportal.api.fields import BIGGEST, Input

SHA256 = re.compile(r"[0-9a-f]{64}")
SIZE = {"type": "integer", "minimum": 0, "maximum": BIGGEST}
ENTRY = {
    "type": "object",
    "required": ["path", "sha256"],
    "properties": {
        "path": {"type": "string", "maxLength": 1024},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "size": {**SIZE, "nullable": True, "description": "Bytes; checked when given"},
    },
    "additionalProperties": False,
}
PAIR = {"type": "array", "items": {"oneOf": [{"type": "string"}, SIZE]}, "minItems": 2, "maxItems": 2}


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= BIGGEST


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 1024


@extend_schema_field({"type": "array", "items": ENTRY, "minItems": 1})
class Entries(serializers.Field[Any, Any, Any, Any]):
    """[{path, sha256, size?}, …] as a list of Named."""

    def to_internal_value(self, data: Any) -> list[Named]:
        if not isinstance(data, list) or not data:
            raise serializers.ValidationError(
                "A list of files, each {path, sha256} and, if you like, its size in bytes."
            )
        return [self._read(item, at) for at, item in enumerate(data)]

    def to_representation(self, value: Any) -> Any:
        return value

    @staticmethod
    def _read(item: Any, at: int) -> Named:
        if not isinstance(item, Mapping) or not item.keys() <= {"path", "sha256", "size"}:
            raise serializers.ValidationError(f"Entry {at} is not {{path, sha256, size}}.")
        path, sha256, size = item.get("path"), item.get("sha256"), item.get("size")
        if not _is_path(path):
            raise serializers.ValidationError(f"The path of entry {at} is not a text of 1 to 1024 characters.")
        if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
            raise serializers.ValidationError(f"The sha256 of entry {at} is not 64 lower-case hex digits.")
        if size is not None and not _is_size(size):
            raise serializers.ValidationError(f"The size of entry {at} is not a number of bytes.")
        return Named(str(path), sha256, size)


@extend_schema_field({"type": "array", "items": PAIR, "minItems": 1})
class Sizes(serializers.Field[Any, Any, Any, Any]):
    """[[path, size], …]"""

    def to_internal_value(self, data: Any) -> list[tuple[str, int]]:
        if not isinstance(data, list) or not data:
            raise serializers.ValidationError("A list of files, each [path, size in bytes].")
        for at, item in enumerate(data):
            if not isinstance(item, list) or len(item) != 2 or not _is_path(item[0]) or not _is_size(item[1]):
                raise serializers.ValidationError(f"Entry {at} is not [path, size in bytes].")
        return [(path, size) for path, size in data]

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class Contents(serializers.Field[Any, Any, Any, Any]):
    """{path: text}"""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, Mapping) or not all(isinstance(text, str) for text in data.values()):
            raise serializers.ValidationError("An object with the text of each ignore file, by its path.")
        return {str(path): text for path, text in data.items()}

    def to_representation(self, value: Any) -> Any:
        return value


class EntriesInput(Input):
    entries = Entries()


class PlanInput(Input):
    entries = Sizes(help_text="[[path, size in bytes], …]: every file of the folder")
    ignore_files = Contents(
        default=dict, help_text="The text of every .amlignore and .gitignore among the entries, by its path"
    )


class PlanSerializer(serializers.Serializer[Any]):
    keep = serializers.ListField(child=serializers.CharField(), help_text="Paths to name in the manifest")
    ignored = serializers.ListField(
        child=serializers.ListField(), help_text="[[path, size, why], …]: the ignore file, its line and the pattern"
    )
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()
