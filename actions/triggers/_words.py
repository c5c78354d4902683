"""Words that several triggers say."""

from datetime import date


def day_in_words(day: date) -> str:
    """Such as "Fri 7 Mar 2008"."""
    return f"{day:%a} {day.day} {day:%b %Y}"
