"""PostgreSQL tries to compress long values, which takes it five times as long as to store a chunk, and saves little."""

from typing import Any

from django.db import migrations


def _stored(way: str) -> Any:
    def change(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"ALTER TABLE experiments_metricchunk ALTER COLUMN data SET STORAGE {way}")

    return change


class Migration(migrations.Migration):
    dependencies = [("experiments", "0010_all_that_tables_ask_of_runs")]

    operations = [migrations.RunPython(_stored("EXTERNAL"), _stored("EXTENDED"))]
