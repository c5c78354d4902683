"""How the benches speak to whoever runs them."""

import sys
from collections.abc import Callable


def say(what: str) -> None:
    """Tells what goes on, beside the figures."""
    print(what, file=sys.stderr, flush=True)


def run_until_stopped(main: Callable[[], None]) -> None:
    """Runs a bench; Ctrl-C ends it in one line."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing is left of it.")
