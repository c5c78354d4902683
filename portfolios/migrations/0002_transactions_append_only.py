from django.db import migrations

# A row trigger: TRUNCATE, which empties the tables between tests, stays possible.
FORBID = """
CREATE FUNCTION portfolios_transaction_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'portfolios_transaction is append-only: % of transaction % refused',
        lower(TG_OP), OLD.id
        USING ERRCODE = 'restrict_violation',
              HINT = 'Record a further transaction that corrects it.';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON portfolios_transaction
FOR EACH ROW EXECUTE FUNCTION portfolios_transaction_append_only();
"""

ALLOW = """
DROP TRIGGER append_only ON portfolios_transaction;
DROP FUNCTION portfolios_transaction_append_only();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('portfolios', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(FORBID, reverse_sql=ALLOW),
    ]
