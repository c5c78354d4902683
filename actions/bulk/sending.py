"""Has an import gone on with: at once where it is small, by the cluster where it is not."""

from datetime import datetime

from django_q.tasks import async_task

from actions.bulk.imports import go_through, is_small
from actions.models import RuleImport

GO_ON = "actions.tasks.go_on_with_imports"


def go_on(held: RuleImport, now: datetime) -> RuleImport:
    """The import, as far as it came. A large one is the cluster's from here on."""
    if is_small(held):
        return go_through(import_id=held.pk, now=now)
    async_task(GO_ON)
    return held
