"""Frames from all over a video of unknown length, in bounded memory."""

from collections.abc import Iterable
from typing import TypeVar

_Item = TypeVar("_Item")


def spread(items: Iterable[_Item], most: int) -> list[_Item]:
    """Return items at equal distances from an iterable of any length, beginning with the first.

    Whenever the list is full, every other item is dropped and the distance doubles. So at most
    `most` items are held at a time.

    Args:
        items: read once, to the end.
        most: largest number of items to return, an even number.

    Example:
        >>> spread(range(10), most=4)
        [0, 4, 8]
    """
    kept: list[_Item] = []
    distance = 1
    for number, item in enumerate(items):
        if number % distance:
            continue
        if len(kept) == most:
            kept = kept[::2]
            distance *= 2
            if number % distance:
                continue
        kept.append(item)
    return kept
