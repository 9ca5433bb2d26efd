from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiments", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="warnings",
            field=models.JSONField(default=list, help_text="[text, …]: what of its logged values was left out"),
        ),
    ]
