"""The groups `support` and `operations`, with what each may see and do in the admin.

Django makes permissions after all migrations have run, so on a new database there is none yet:
those that are needed are made here, as Django would make them.
"""

from django.db import migrations

OURS = ("accounts", "market", "portfolios", "actions", "chat")
MAY_DO = {
    "support": {
        "actions.action": ("pause_action", "resume_action"),
        "actions.tick": ("monitor",),
        "portfolios.portfolio": ("pause_portfolio",),
    },
    "operations": {
        "actions.action": ("pause_action", "resume_action", "cancel_action", "rebuild_watches"),
        "actions.tick": ("monitor",),
        "actions.delivery": ("retry_delivery",),
        "actions.ruleimport": ("import_rules",),
        "portfolios.portfolio": ("pause_portfolio",),
        "market.feedincident": ("believe_move",),
        "market.announcedsplit": ("add_announcedsplit",),
        "market.instrument": ("add_instrument", "change_instrument"),
    },
}


def make_groups(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    tables = [model for label in OURS for model in apps.get_app_config(label).get_models()]
    tables.append(apps.get_model("admin", "LogEntry"))
    for name, deeds in MAY_DO.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(
            *(permission(apps, model, f"view_{model._meta.model_name}") for model in tables),
            *(
                permission(apps, apps.get_model(label), codename)
                for label, codenames in deeds.items()
                for codename in codenames
            ),
        )


def permission(apps, model, codename):
    """The permission, made where there is none yet."""
    options = model._meta
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=options.app_label, model=options.model_name
    )
    standard = f"Can {codename.partition('_')[0]} {options.verbose_name_raw}"
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type,
        codename=codename,
        defaults={"name": dict(options.permissions).get(codename, standard)},
    )
    return found


def delete_groups(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=MAY_DO).delete()


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0003_api_tokens"),
        ("market", "0008_quote_gaps"),
        ("portfolios", "0006_wishes"),
        ("actions", "0023_schedule_imports"),
        ("chat", "0001_conversations"),
    ]

    operations = [migrations.RunPython(make_groups, delete_groups)]
