"""What rules were before somebody changed them: written by triggers of the database."""

import pghistory
import pgtrigger

from actions.models.action import Action

# What people set. The engine's statements name none of these columns but the status, so that to
# wake, lease or settle a rule does not even ask whether there is anything to be kept.
SETTINGS = (
    "portfolio",
    "action_type",
    "symbol",
    "quantity",
    "amount_usd",
    "action_params",
    "trigger_type",
    "trigger_params",
    "valid_from",
    "valid_until",
    "max_executions",
    "cooldown_seconds",
    "rehearsal",
    "notes",
)
_COLUMNS = [field.column for field in Action._meta.concrete_fields if field.name in SETTINGS]

# That a rule has done what it was for, its executions tell; a row for each would be a quarter of
# what a firing costs. The other trigger keeps what changes together with a setting.
_STATUS_ALONE = pgtrigger.Q(old__status__df=pgtrigger.F("new__status")) & ~pgtrigger.Q(
    old__status="active", new__status="completed"
)
for _name in SETTINGS:
    _STATUS_ALONE &= pgtrigger.Q(**{f"old__{_name}__ndf": pgtrigger.F(f"new__{_name}")})


class ActionHistory(
    pghistory.create_event_model(  # type: ignore[misc]  # its base is made by the library
        Action,
        pghistory.UpdateEvent(
            "changed",
            trigger_name="changed",
            operation=pgtrigger.UpdateOf(*_COLUMNS),
            row=pghistory.Old,
            condition=pgtrigger.AnyChange(*SETTINGS),
        ),
        pghistory.UpdateEvent(
            "status",
            trigger_name="status",
            operation=pgtrigger.UpdateOf("status"),
            row=pghistory.Old,
            condition=_STATUS_ALONE,
        ),
        pghistory.ManualEvent("split"),
        fields=[*SETTINGS, "status", "status_reason", "updated_at"],
        obj_field=pghistory.ObjForeignKey(related_name="+"),
        context_field=pghistory.ContextJSONField(),
        context_id_field=None,
    )
):
    """A rule as it was until somebody changed it; the context says who did, and why.

    A split of which only the trigger's state tells is kept, too.
    """

    class Meta:
        db_table = "action_history"
        verbose_name_plural = "action histories"
        ordering = ("pgh_id",)
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]
