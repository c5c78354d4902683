"""What processes do in tests that kill those which import rules."""

from actions.tasks import go_on_with_imports


def go_on() -> str:
    return go_on_with_imports()
