"""What is new since the groups were made: both see the pauses, and operations may unlock accounts."""

from importlib import import_module

from django.db import migrations

permission = import_module("tradingrules.migrations.0001_groups_of_staff").permission

MAY = {
    "support": {"portfolios.portfoliopause": ("view_portfoliopause",)},
    "operations": {
        "portfolios.portfoliopause": ("view_portfoliopause",),
        "accounts.user": ("unlock_user",),
    },
}


def make_groups(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects
    for name, tables in MAY.items():
        group, _ = groups.get_or_create(name=name)
        for label, codenames in tables.items():
            model = apps.get_model(label)
            group.permissions.add(*(permission(apps, model, codename) for codename in codenames))


class Migration(migrations.Migration):
    dependencies = [
        ("tradingrules", "0001_groups_of_staff"),
        ("accounts", "0004_may_unlock"),
        ("portfolios", "0007_pauses"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
