"""A value of a JSON object of texts, by any name: Django's own lookups take a name like `1` for a place in a list, and fail
at one with a quotation mark."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, F, Func, Model, OuterRef, Q, TextField

from .compare import text_matches
from .grammar import Comparison


def pair_matches(model: type[Model], column: str, comparison: Comparison) -> Q:
    """Rows of the model whose pair of the comparison's name is so, or is there, or is not."""
    value = PairValue(column, comparison.field.key)
    if comparison.sign in ("IS NULL", "IS NOT NULL"):
        rows = model._base_manager.filter(pk=OuterRef("pk")).alias(pair=value).filter(pair__isnull=False)
        return Q(Exists(rows)) if comparison.sign == "IS NOT NULL" else ~Q(Exists(rows))
    return text_matches(value, comparison)


class PairValue(Func):
    """The text under this name; NULL where there is none."""

    output_field = TextField()

    def __init__(self, column: str, name: str) -> None:
        super().__init__(F(column))
        self.name = name

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"(SELECT value FROM json_each({column}) WHERE key = %s)", [*parameters, self.name]

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"jsonb_extract_path_text({column}, %s)", [*parameters, self.name]
