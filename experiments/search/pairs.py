"""A value of a JSON object of texts, by any name: Django's own lookups take a name like `1` for a place in a list, and fail
at one with a quotation mark."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Func, TextField


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
