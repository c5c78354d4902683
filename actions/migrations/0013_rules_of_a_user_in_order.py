"""A page of a user's rules is read from the index alone in its order, also where many were made at
one instant, as by an import."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("actions", "0012_schedule_splits")]

    operations = [
        migrations.RemoveIndex(model_name="action", name="actions_user_idx"),
        migrations.AddIndex(
            model_name="action",
            index=models.Index(fields=["user", "-created_at", "id"], name="actions_user_idx"),
        ),
    ]
