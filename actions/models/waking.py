"""Which rules are awake."""

from django.db import models

from actions.models.action import Action


class Waking(models.Model):
    """That a rule is awake, so that those that are need not be looked for among all.

    A copy of what it takes to say whose turn it is; the rule's own row decides. Written and removed
    with the rule's lease, in the same transactions, so that no rule is awake without one. One that
    is left behind all the same is removed by the lease that comes upon it.
    """

    # Without a constraint, which would write each rule's row once more to check it.
    action = models.ForeignKey(
        Action, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    until = models.DateTimeField(help_text="As the rule's processing_lease_until.")
    book = models.UUIDField(help_text="Whose money it trades: the portfolio, or else the user.")
    looked_at = models.DateTimeField(help_text="As its last_evaluated_at; -infinity: never.")
    created_at = models.DateTimeField(help_text="As the rule's.")

    class Meta:
        db_table = "wakings"

    def __str__(self) -> str:
        return f"{self.action_id} is awake, leased until {self.until}"
