"""The jobs of the cluster that are about the whole site, not about rules (actions/tasks.py)."""

from django.utils import timezone

from tradingrules.pruning import prune

SECONDS = 90  # half of what a job may take


def prune_the_site() -> str:
    """Forgets what is old enough; a site on which much is, over several days."""
    gone = prune(now=timezone.now(), seconds=SECONDS)
    return ", ".join(f"{count} {kind}" for kind, count in gone.items()) + " forgotten"
