import django.db.models.deletion
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def keep_the_code(apps, schema_editor):
    ModelVersion = apps.get_model("models_registry", "ModelVersion")
    Run = apps.get_model("experiments", "Run")
    code = Run.objects.filter(pk=OuterRef("run")).values("snapshot")[:1]
    ModelVersion.objects.filter(run__isnull=False).update(snapshot=Subquery(code))


class Migration(migrations.Migration):
    dependencies = [
        ("experiments", "0008_retention"),
        ("models_registry", "0005_mlflow_registry"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="lineage",
            field=models.JSONField(
                help_text="Of a run that is deleted for good: {run, name, number, experiment, script, …}", null=True
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="snapshot",
            field=models.ForeignKey(
                help_text="The code of the run",
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="model_versions",
                to="experiments.snapshot",
            ),
        ),
        migrations.RunPython(keep_the_code, migrations.RunPython.noop),
    ]
