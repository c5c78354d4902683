from django.db import migrations


class Migration(migrations.Migration):
    """Leaves half of each page of quotes empty, so that a tick's updates stay within their page.

    Without indexed columns among those that change, PostgreSQL then makes heap-only updates: no
    index is touched and the old versions are pruned by whoever reads the page next. 5,000 symbols
    are some 200 pages.
    """

    dependencies = [("market", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE market_quote SET (fillfactor = 50)",
            "ALTER TABLE market_quote RESET (fillfactor)",
        ),
    ]
