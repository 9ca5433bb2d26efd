from typing import Any

from django.db.models import BooleanField, F, Func


class HasPair(Func):
    """Whether a JSON object of texts has this name, and, if one is given, this value there.

    Django's own lookups take a name like `1` for a place in a list, and fail at one with a quotation mark.
    """

    output_field = BooleanField()

    def __init__(self, column: str, name: str, value: str | None = None) -> None:
        super().__init__(F(column))
        self.name, self.value = name, value

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        column, parameters = compiler.compile(self.source_expressions[0])
        sql, asked = f"EXISTS(SELECT 1 FROM json_each({column}) WHERE key = %s", [self.name]
        if self.value is not None:
            sql, asked = f"{sql} AND value = %s", [self.name, self.value]
        return f"{sql})", [*parameters, *asked]

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        column, parameters = compiler.compile(self.source_expressions[0])
        if self.value is None:
            return f"jsonb_exists({column}, %s)", [*parameters, self.name]
        return f"jsonb_extract_path_text({column}, %s) = %s", [*parameters, self.name, self.value]
