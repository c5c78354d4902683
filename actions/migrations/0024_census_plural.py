from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("actions", "0023_schedule_imports")]

    operations = [
        migrations.AlterModelOptions(name="census", options={"verbose_name_plural": "censuses"}),
    ]
