from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0002_serving_lease"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="from_files",
            field=models.BooleanField(default=False, help_text="Registered from somebody's own files, not from a run"),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="path",
            field=models.CharField(
                blank=True,
                help_text="In the run: a file or a folder; without a run what its files have in common",
                max_length=1024,
            ),
        ),
    ]
