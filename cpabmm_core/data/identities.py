"""Identities of clips: clips whose names agree up to the first ``#`` show the same one."""

from collections.abc import Sequence
from pathlib import Path


def identity_of(clip: Path) -> str:
    """The identity that a clip shows, by the name of its file or folder.

    A name without ``#`` is an identity of its own: ``a.mp4`` has nothing to do with ``a#1.mp4``.

    Example:
        >>> identity_of(Path("train/id10281#001.mp4")) == identity_of(Path("train/id10281#2"))
        True
    """
    name, mark, _ = clip.name.partition("#")
    return name + mark


def group_by_identity(clips: Sequence[Path]) -> dict[str, list[int]]:
    """The numbers of each identity's clips; identities come in the order of their first clips."""
    found: dict[str, list[int]] = {}
    for number, clip in enumerate(clips):
        found.setdefault(identity_of(clip), []).append(number)
    return found


def group_clips(clips: Sequence[Path], *, by_identity: bool) -> list[list[int]]:
    """What an epoch counts: the clips of each identity, or each clip by itself."""
    if by_identity:
        return list(group_by_identity(clips).values())
    return [[number] for number in range(len(clips))]
