import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


def make_revisions(apps, schema_editor):
    """Each version that a service was made of becomes a revision of that one model."""
    Deployment, Revision, Part = (
        apps.get_model("models_registry", name) for name in ("Deployment", "Revision", "Part")
    )

    def revision_of(version):
        if version is None:
            return None
        revision = Revision.objects.create(
            workspace_id=version.model.workspace_id,
            label=f"{version.model.name}:{version.version}",
            environment_version_id=version.environment_version_id,
        )
        Part.objects.create(revision=revision, version=version)
        return revision

    for deployment in Deployment.objects.select_related("version__model", "live_version__model"):
        deployment.revision = revision_of(deployment.version)
        same = deployment.live_version_id == deployment.version_id
        deployment.live_revision = deployment.revision if same else revision_of(deployment.live_version)
        deployment.save(update_fields=["revision", "live_revision"])
    _check_now(schema_editor)


def back_to_versions(apps, schema_editor):
    """The first model of each; services of a script alone, which could not be before, are gone."""
    Deployment = apps.get_model("models_registry", "Deployment")
    for deployment in Deployment.objects.all():
        parts = [
            revision.parts.order_by("pk").first() if revision else None
            for revision in (deployment.revision, deployment.live_revision)
        ]
        if parts[0] is None:
            deployment.delete()
            continue
        deployment.version_id = parts[0].version_id
        deployment.live_version_id = parts[1].version_id if parts[1] else None
        deployment.save(update_fields=["version", "live_version"])
    _check_now(schema_editor)


def _check_now(schema_editor):
    """PostgreSQL alters no table whose rows are still to be checked at the end of the transaction."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        ("experiments", "0001_initial"),
        ("models_registry", "0003_model_from_files"),
    ]

    operations = [
        migrations.CreateModel(
            name="Revision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("label", models.CharField(help_text="What people call it, such as iris:1", max_length=300)),
                (
                    "environment_given",
                    models.BooleanField(default=False, help_text="A person chose it; it stays for other models"),
                ),
                (
                    "note",
                    models.TextField(
                        blank=True, help_text="What a person should know of how the environment was chosen"
                    ),
                ),
                (
                    "entry_script",
                    models.CharField(blank=True, help_text="In the snapshot; empty: the model itself", max_length=1024),
                ),
                ("environment_variables", models.JSONField(default=dict)),
                (
                    "cpu",
                    models.FloatField(help_text="Cores of a replica; empty: what its models ask for", null=True),
                ),
                (
                    "memory_gb",
                    models.FloatField(help_text="Gigabytes of a replica; empty: what its models ask for", null=True),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "environment_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="experiments.environmentversion",
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="served_by",
                        to="experiments.snapshot",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="access.workspace"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Part",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="parts",
                        to="models_registry.revision",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="parts",
                        to="models_registry.modelversion",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [models.UniqueConstraint(fields=("revision", "version"), name="one_part_per_version")],
            },
        ),
        migrations.AddField(
            model_name="deployment",
            name="tags",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="deployment",
            name="revision",
            field=models.ForeignKey(
                help_text="What is wanted",
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="wanted_by",
                to="models_registry.revision",
            ),
        ),
        migrations.AddField(
            model_name="deployment",
            name="live_revision",
            field=models.ForeignKey(
                help_text="What answers",
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="answers_for",
                to="models_registry.revision",
            ),
        ),
        # Without a value for a moment, so that the way back finds its rows.
        migrations.AlterField(
            model_name="deployment",
            name="version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deployments",
                to="models_registry.modelversion",
            ),
        ),
        migrations.RunPython(make_revisions, back_to_versions),
        migrations.RemoveField(model_name="deployment", name="version"),
        migrations.RemoveField(model_name="deployment", name="live_version"),
        migrations.AlterField(
            model_name="deployment",
            name="revision",
            field=models.ForeignKey(
                help_text="What is wanted",
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="wanted_by",
                to="models_registry.revision",
            ),
        ),
    ]
