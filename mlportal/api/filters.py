"""Filters that django-filter does not have."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field

MOST = 20
LONGEST = 6300  # a name of 250 characters, "=" and a value


class WordsField(forms.Field):
    widget = forms.SelectMultiple  # takes a parameter that is given several times

    def clean(self, value: Any) -> list[str]:
        words = [str(word) for word in value or []]
        if len(words) > MOST:
            raise ValidationError(f"At most {MOST} at a time.")
        for word in words:
            if not word or "\0" in word or len(word) > LONGEST:
                raise ValidationError(f"1 to {LONGEST} characters, none of them NUL.")
        return words


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string", "maxLength": LONGEST},
        "maxItems": MOST,
        "description": "`name`, or `name=value`; given several times, all of them.",
    }
)
class Words(filters.Filter):  # type: ignore[misc]  # django-filter is not typed
    """A parameter that may be given several times; its method gets the list."""

    field_class = WordsField
