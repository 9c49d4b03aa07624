"""Identities in the names of clips."""

from pathlib import Path

import pytest

from cpabmm_core.data.identities import group_by_identity, group_clips, identity_of

NAMES = ["id1#0.mp4", "id10#0.mp4", "id1#1#x.webm", "id1.mp4", "id1", "id1#2", "#1.gif", "#2.gif"]
CLIPS = [Path("train") / name for name in NAMES]


def test_clips_share_an_identity_up_to_the_first_mark() -> None:
    assert list(group_by_identity(CLIPS).values()) == [[0, 2, 5], [1], [3], [4], [6, 7]]


def test_marks_in_parent_folders_are_ignored() -> None:
    assert identity_of(Path("set#1/a.mp4")) != identity_of(Path("set#1/b.mp4"))


@pytest.mark.parametrize(
    ("by_identity", "expected"),
    [(True, [[0, 2, 5], [1], [3], [4], [6, 7]]), (False, [[k] for k in range(8)])],
)
def test_clips_are_grouped_by_identity_or_singly(
    by_identity: bool, expected: list[list[int]]
) -> None:
    assert group_clips(CLIPS, by_identity=by_identity) == expected
