"""PostgreSQL reads an index alone only where it has vacuumed the rows: by its defaults, when a fifth of them has changed."""

from typing import Any

from django.db import migrations

TABLES = ("run", "metric", "parameter", "tag")
SHARES = {
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
}


def _set(apps: Any, schema_editor: Any) -> None:
    _alter(schema_editor, f"SET ({', '.join(f'{name} = {share}' for name, share in SHARES.items())})")


def _reset(apps: Any, schema_editor: Any) -> None:
    _alter(schema_editor, f"RESET ({', '.join(SHARES)})")


def _alter(schema_editor: Any, change: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table in TABLES:
            schema_editor.execute(f"ALTER TABLE experiments_{table} {change}")


class Migration(migrations.Migration):
    dependencies = [("experiments", "0011_chunks_are_stored_as_they_are")]

    operations = [migrations.RunPython(_set, _reset)]
