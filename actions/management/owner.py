"""Whose rules a command is about, as its arguments name them."""

from argparse import ArgumentTypeError

from accounts.models import User


def owner(email: str) -> User:
    """The user of this address. Raises ArgumentTypeError where there is not just one."""
    found = list(User.objects.filter(email__iexact=email)[:2])
    if len(found) != 1:
        many = "More than one user has" if found else "Nobody has"
        raise ArgumentTypeError(f"{many} the address {email}.")
    return found[0]
