"""Single puppet frames: reproducible, varied, with whole limbs missing in some."""

import numpy as np
import pytest

from cpabmm_core.puppets import samples
from cpabmm_core.puppets.samples import render_samples

SIZE = 64


def test_frames_depend_only_on_the_seed() -> None:
    one, again, other = (
        render_samples(seed, 4, motions=2, frames=2, size=SIZE) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.frames, again.frames)
    np.testing.assert_array_equal(one.joints, again.joints)
    assert np.abs(one.frames.astype(int) - other.frames).mean() > 1


def test_every_motion_has_its_own_scene() -> None:
    """The corners show only the scene, and differ more between motions than within one."""
    within, between = [], []
    for index in range(8):
        frames = render_samples(5, index, motions=2, frames=2, size=SIZE).frames.astype(float)
        corners = frames[:, :6, :6]
        within.append(np.abs(corners[0] - corners[1]).mean())
        between.append(np.abs(corners[0] - corners[2]).mean())
    assert np.mean(between) > 3 * np.mean(within)


def test_present_joints_differ_from_the_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    """In complete frames every joint is present; in empty frames none is."""
    monkeypatch.setattr(samples, "_EMPTY_SHARE", 0.0)
    monkeypatch.setattr(samples, "_INCOMPLETE_SHARE", 0.0)
    whole = render_samples(3, 0, motions=1, frames=4, size=SIZE)
    assert whole.present.all()
    assert ((whole.joints > 0) & (whole.joints < SIZE - 1)).mean() > 0.95
    monkeypatch.setattr(samples, "_EMPTY_SHARE", 1.0)
    empty = render_samples(3, 0, motions=1, frames=4, size=SIZE)
    assert not empty.present.any()
    np.testing.assert_array_equal(empty.joints, whole.joints)
    x, y = np.rint(whole.joints[0, whole.joint_names.index("head")]).astype(int)
    assert np.abs(whole.frames[0, y, x].astype(int) - empty.frames[0, y, x]).max() > 10


def test_whole_limbs_are_missing_in_a_third_of_the_frames() -> None:
    present = [render_samples(7, index, motions=2, frames=2, size=32) for index in range(40)]
    incomplete = [one for part in present for one in part.present if one.any()]
    assert np.mean([not one.all() for one in incomplete]) == pytest.approx(0.3, abs=0.1)
    for part in present:
        ends = [part.joint_names.index(name) for name in part.joint_names if "left" in name]
        groups: dict[str, list[int]] = {}
        for column in ends:
            name = part.joint_names[column]
            limb = "arm" if name.endswith(("shoulder", "elbow", "wrist", "hand")) else "leg"
            groups.setdefault(f"{name.rsplit('_', 1)[0]} {limb}", []).append(column)
        for columns in groups.values():
            assert len(columns) == 4
            assert (part.present[:, columns].sum(1) % 4 == 0).all()
