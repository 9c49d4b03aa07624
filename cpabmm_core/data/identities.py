"""Identities of clips: the part of their names up to the first ``#``."""

from collections.abc import Sequence
from pathlib import Path


def identity_of(clip: Path) -> str:
    """Return the identity that a clip shows, given the path of its file or folder.

    A name without ``#`` is an identity of its own: ``a.mp4`` and ``a#1.mp4`` differ.

    Example:
        >>> from pathlib import Path
        >>> from cpabmm_core.data import identity_of
        >>> identity_of(Path("train/id10281#001.mp4")) == identity_of(Path("train/id10281#2"))
        True
    """
    name, mark, _ = clip.name.partition("#")
    return name + mark


def group_by_identity(clips: Sequence[Path]) -> dict[str, list[int]]:
    """Map each identity to the numbers of its clips, in the order of first occurrence."""
    found: dict[str, list[int]] = {}
    for number, clip in enumerate(clips):
        found.setdefault(identity_of(clip), []).append(number)
    return found


def group_clips(clips: Sequence[Path], *, by_identity: bool) -> list[list[int]]:
    """Group the numbers of clips by identity, or put each clip into a group of its own."""
    if by_identity:
        return list(group_by_identity(clips).values())
    return [[number] for number in range(len(clips))]
