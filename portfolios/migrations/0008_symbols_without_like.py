"""The index of the symbol stays as it is, under a name of ours; the second one, for LIKE, goes: no
query asks that of a symbol, and each line of the ledger had to be entered into it."""

import django.db.models.deletion
from django.db import migrations, models


def without_like(table, index, name):
    like = f"{index}_like"
    return [
        migrations.RunSQL(
            f"ALTER INDEX IF EXISTS {index} RENAME TO {name}",
            f"ALTER INDEX IF EXISTS {name} RENAME TO {index}",
        ),
        migrations.RunSQL(
            f"DROP INDEX CONCURRENTLY IF EXISTS {like}",
            f"CREATE INDEX CONCURRENTLY {like} ON {table} (symbol varchar_pattern_ops)",
        ),
    ]


class Migration(migrations.Migration):
    atomic = False  # as CONCURRENTLY asks

    dependencies = [("portfolios", "0007_pauses")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                *without_like(
                    "portfolios_holding", "portfolios_holding_symbol_faaac601", "holding_symbol"
                ),
                *without_like(
                    "portfolios_transaction",
                    "portfolios_transaction_symbol_e67a3f3c",
                    "transaction_symbol",
                ),
            ],
            state_operations=[
                migrations.AlterField(
                    "holding",
                    "instrument",
                    models.ForeignKey(
                        "market.instrument",
                        db_column="symbol",
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                    ),
                ),
                migrations.AlterField(
                    "transaction",
                    "instrument",
                    models.ForeignKey(
                        "market.instrument",
                        blank=True,
                        db_column="symbol",
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                    ),
                ),
                migrations.AddIndex(
                    "holding", models.Index(fields=["instrument"], name="holding_symbol")
                ),
                migrations.AddIndex(
                    "transaction", models.Index(fields=["instrument"], name="transaction_symbol")
                ),
            ],
        ),
    ]
