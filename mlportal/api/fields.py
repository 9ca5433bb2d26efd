"""Input that says exactly what it is: unknown fields are refused, texts are storable, maps are bounded."""

from collections.abc import Mapping
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

BIGGEST = 2**53 - 1  # what every JSON reader keeps exactly, and every database column


class Input(serializers.Serializer[Any]):
    """A request's body. A field that is not there is an error, not a wish that is silently dropped."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := sorted(str(name) for name in set(data) - set(self.fields))):
            there = ", ".join(self.fields)
            raise serializers.ValidationError({unknown[0]: [f"There is no such field here; there are: {there}."]})
        return super().to_internal_value(data)


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string", "nullable": True}})
class TextMap(serializers.DictField):
    """{name: text}; names have 1 to 250 characters."""

    def __init__(self, *, nullable_values: bool = False, most: int = 1000, **kwargs: Any) -> None:
        child = serializers.CharField(
            allow_blank=True, allow_null=nullable_values, trim_whitespace=False, max_length=6000
        )
        super().__init__(child=child, **kwargs)
        self.most = most

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            if len(data) > self.most:
                raise serializers.ValidationError(f"At most {self.most} entries.")
            for name in data:
                if not isinstance(name, str) or not 1 <= len(name) <= 250 or "\0" in name:
                    raise serializers.ValidationError("A name has 1 to 250 characters, none of them NUL.")
        return super().to_internal_value(data)


class WholeText(serializers.CharField):
    """Text kept to the last blank, such as a file's content."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        self.validators.append(ProhibitNullCharactersValidator())
