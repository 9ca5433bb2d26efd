import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import Exists, F, OuterRef

import mlportal.uid


def tell_deleted_from_archived(apps, schema_editor):
    """Experiments that MLflow's clients deleted were archived, with all of their runs in the trash."""
    Experiment = apps.get_model("experiments", "Experiment")
    Run = apps.get_model("experiments", "Run")
    runs = Run.objects.filter(experiment=OuterRef("pk"))
    deleted = Experiment.objects.filter(Exists(runs.exclude(deleted_at=None)), archived_at__isnull=False)
    deleted.exclude(Exists(runs.filter(deleted_at=None))).update(deleted_at=F("archived_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        ("experiments", "0007_logged_models"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RetentionRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("enabled", models.BooleanField(default=False)),
                (
                    "older_than_days",
                    models.PositiveIntegerField(help_text="Since their end; empty: of any age", null=True),
                ),
                (
                    "keep_best",
                    models.PositiveIntegerField(help_text="So many of each experiment stay; empty: none", null=True),
                ),
                ("metric", models.CharField(blank=True, max_length=250)),
                (
                    "direction",
                    models.CharField(choices=[("min", "lowest"), ("max", "highest")], default="max", max_length=3),
                ),
                (
                    "keep_tag",
                    models.CharField(blank=True, default="keep", help_text="Runs with it stay", max_length=250),
                ),
                (
                    "purge_days",
                    models.PositiveIntegerField(
                        help_text="In the trash, then they are deleted for good; 0: never; empty: as the portal's setting says",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("applied_at", models.DateTimeField(editable=False, null=True)),
                (
                    "applied_runs",
                    models.PositiveIntegerField(default=0, editable=False, help_text="How many it moved then"),
                ),
            ],
            options={
                "ordering": ["experiment__name", "pk"],
            },
        ),
        migrations.AddField(
            model_name="experiment",
            name="deleted_at",
            field=models.DateTimeField(editable=False, help_text="When it was put in the trash", null=True),
        ),
        migrations.AddField(
            model_name="experiment",
            name="deleted_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="deleted_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="deleted_why",
            field=models.CharField(blank=True, help_text="Empty: a person asked for it", max_length=200),
        ),
        migrations.CreateModel(
            name="Purge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.CharField(default=mlportal.uid.new_uid, editable=False, max_length=32, unique=True)),
                ("why", models.CharField(blank=True, help_text="Empty: a person asked for it", max_length=200)),
                ("run_count", models.PositiveIntegerField(help_text="Children included")),
                (
                    "expected_bytes",
                    models.BigIntegerField(help_text="What nothing else refers to, as it was when it was asked for"),
                ),
                (
                    "freed_bytes",
                    models.BigIntegerField(default=0, help_text="What has been removed from the storage so far"),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="purges", to="access.workspace"
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.AddField(
            model_name="experiment",
            name="purge",
            field=models.ForeignKey(
                help_text="It goes with the last of its runs",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="experiments",
                to="experiments.purge",
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="purge",
            field=models.ForeignKey(
                help_text="Deleted for good: nobody sees it any more",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="runs",
                to="experiments.purge",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)), fields=["workspace", "-id"], name="runs_in_the_trash"
            ),
        ),
        migrations.AddField(
            model_name="retentionrule",
            name="created_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="retentionrule",
            name="experiment",
            field=models.ForeignKey(
                help_text="Empty: the whole workspace",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="retention_rules",
                to="experiments.experiment",
            ),
        ),
        migrations.AddField(
            model_name="retentionrule",
            name="workspace",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="retention_rules", to="access.workspace"
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionrule",
            constraint=models.UniqueConstraint(fields=("experiment",), name="one_rule_per_experiment"),
        ),
        migrations.AddConstraint(
            model_name="retentionrule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("experiment", None)), fields=("workspace",), name="one_rule_for_a_whole_workspace"
            ),
        ),
        migrations.AddConstraint(
            model_name="retentionrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("direction__in", ["min", "max"])), name="retention_direction_is_known"
            ),
        ),
        migrations.RunPython(tell_deleted_from_archived, migrations.RunPython.noop),
    ]
