import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0001_initial"),
        ("experiments", "0002_data"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="computetarget",
            options={"ordering": ["name", "pk"]},
        ),
        migrations.AddField(
            model_name="computetarget",
            name="created_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="computetarget",
            name="deleted_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="experiment",
            name="tags",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="run",
            name="description",
            field=models.TextField(blank=True, max_length=5000),
        ),
        migrations.AddField(
            model_name="run",
            name="last_logged_at",
            field=models.DateTimeField(
                help_text="When its client last sent something; all that is known of one that fell silent", null=True
            ),
        ),
        migrations.AlterField(
            model_name="computetarget",
            name="name",
            field=models.CharField(
                max_length=63,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[A-Za-z0-9][A-Za-z0-9-]{1,62}\\Z", "Letters, digits and hyphens."
                    )
                ],
            ),
        ),
        migrations.AddConstraint(
            model_name="computetarget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)),
                fields=("workspace", "name"),
                name="one_target_per_name",
                violation_error_message="The workspace has a compute target of this name already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="computetarget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None), ("workspace", None)),
                fields=("name",),
                name="one_shared_target_per_name",
                violation_error_message="There is a shared compute target of this name already.",
            ),
        ),
    ]
