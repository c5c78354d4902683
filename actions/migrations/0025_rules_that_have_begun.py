from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("actions", "0024_census_plural")]

    operations = [
        migrations.AddField(
            model_name="action",
            name="begun",
            field=models.BooleanField(help_text="Whether the trigger was given the state to start from, or waits for valid_from. Empty: a version wrote the rule that did not say so.", null=True),
        ),
    ]
