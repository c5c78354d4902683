from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from portfolios.selectors import discrepancies, ledger_size


class Command(BaseCommand):
    help = "Recomputes every balance from the ledger. Exit code 1, a line each, where one differs."

    def handle(self, *args: Any, **options: Any) -> None:
        found = discrepancies()
        for one in found:
            self.stdout.write(
                f"portfolio {one.portfolio_id}: {one.what}: "
                f"stored {one.stored:f}, recomputed {one.recomputed:f}"
            )
        if found:
            raise CommandError(f"The ledger does not hold: differences: {len(found)}.")
        size = ledger_size()
        portfolios = f"{size.portfolios:,} portfolio{pluralize(size.portfolios)}"
        entries = f"{size.transactions:,} transaction{pluralize(size.transactions)}"
        self.stdout.write(f"ledger holds: {portfolios}, {entries}")
