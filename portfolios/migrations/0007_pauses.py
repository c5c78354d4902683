"""When portfolios were paused: kept by a trigger, so that the version before keeps it as well."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('portfolios', '0006_wishes'),
    ]

    operations = [
        migrations.CreateModel(
            name='PortfolioPause',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('paused_by_owner', models.BooleanField(db_default=False, default=False, help_text='No rule of this portfolio fires.')),
                ('paused_by_staff', models.BooleanField(db_default=False, default=False, help_text='As paused_by_owner, but only support lets it go on.')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='portfolios.portfolio')),
            ],
            options={
                'ordering': ('pgh_id',),
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='portfolio',
            trigger=pgtrigger.compiler.Trigger(name='turned', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."paused_by_owner" IS DISTINCT FROM (NEW."paused_by_owner") OR OLD."paused_by_staff" IS DISTINCT FROM (NEW."paused_by_staff"))', func='INSERT INTO "portfolios_portfoliopause" ("paused_by_owner", "paused_by_staff", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."paused_by_owner", NEW."paused_by_staff", NOW(), \'turned\', NEW."id"); RETURN NULL;', hash='160b2f064bef99d74aa3b9ef0d47c09d040f94f1', operation='UPDATE OF "paused_by_owner", "paused_by_staff"', pgid='pgtrigger_turned_609e8', table='portfolios_portfolio', when='AFTER')),
        ),
        # Since when these are paused nobody knows: from now on it is told.
        migrations.RunSQL(
            """
            INSERT INTO portfolios_portfoliopause
                        (pgh_created_at, pgh_label, pgh_obj_id, paused_by_owner, paused_by_staff)
            SELECT now(), 'turned', id, paused_by_owner, paused_by_staff
              FROM portfolios_portfolio WHERE paused_by_owner OR paused_by_staff
            """,
            migrations.RunSQL.noop,
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='portfoliopause',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='72859c0d2d5da08bc16d89b27a810967d0bea5fd', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_e02cf', table='portfolios_portfoliopause', when='BEFORE')),
        ),
    ]
