"""Bars in stretches that grow, so that whoever finds early stops early. Pure."""

from collections.abc import Iterator

FIRST = 512  # bars of the first stretch; each further one has four times as many
LARGEST = 1 << 17  # as many as a processor's cache holds


def stretches(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches of the bars in [begin, end)."""
    size = FIRST
    while begin < end:
        yield begin, min(begin + size, end)
        begin += size
        size = min(size * 4, LARGEST)
