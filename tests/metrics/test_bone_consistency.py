import numpy as np
import pytest
import torch

from cpabmm_core.metrics import bone_consistency, nearest_bones

BODY = [[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]  # the diagonal of its box is 5
BONES = [[0, 1], [1, 2]]


def test_nearest_bone_place_and_distance_in_closed_form() -> None:
    points = [[-3.0, 4.0], [1.5, -1.0], [3.5, 3.0], [3.0, 9.0]]  # before, below, beside, after
    found = nearest_bones(torch.tensor([points]), torch.tensor([BODY]), BONES)
    assert found.bone.tolist() == [[0, 0, 1, 1]]
    np.testing.assert_allclose(found.place, [[0, 0.5, 0.75, 1]])
    np.testing.assert_allclose(found.distance, [[1, 0.2, 0.1, 1]])


def test_the_nearest_point_is_the_nearest_of_many_on_the_bones() -> None:
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand(7, 6, 2, generator=generator, dtype=torch.float64)
    keypoints = torch.rand(7, 3, 2, generator=generator, dtype=torch.float64) * 2 - 0.5
    bones = np.array([[0, 1], [5, 2], [3, 4]])  # apart: no ties at joints
    found = nearest_bones(keypoints, joints, bones)
    steps = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None]
    start, end = joints[:, bones[:, 0], None], joints[:, bones[:, 1], None]
    dense = (start + steps * (end - start)).flatten(1, 2)  # (F, B * 2001, 2)
    apart, index = torch.cdist(keypoints, dense).min(-1)
    size = np.linalg.norm(np.ptp(joints.numpy(), axis=1), axis=-1).mean()
    np.testing.assert_allclose(found.distance * size, apart, atol=1e-3)
    np.testing.assert_array_equal(found.bone, index // 2001)
    np.testing.assert_allclose(found.place, (index % 2001) / 2000, atol=1e-3)


def test_turned_moved_and_enlarged_bodies_score_alike() -> None:
    generator = torch.Generator().manual_seed(1)
    joints = torch.rand(6, 3, 2, generator=generator, dtype=torch.float64)
    keypoints = torch.rand(6, 4, 2, generator=generator, dtype=torch.float64)
    quarter = torch.tensor([[0.0, 2.0], [-2.0, 0.0]], dtype=torch.float64)  # a turn, twice as large
    expected = nearest_bones(keypoints, joints, BONES)
    found = nearest_bones(keypoints @ quarter + 7, joints @ quarter + 7, BONES)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_a_bone_of_no_length_is_a_point() -> None:
    found = nearest_bones([[[9.0, 0.0]]], [[[0.0, 0.0], [9.0, 3.0]]], [[0, 0], [1, 1]])
    assert found.bone.tolist() == [[1]]
    assert found.place.tolist() == [[0]]
    np.testing.assert_allclose(found.distance, 3 / np.sqrt(90))


def test_a_keypoint_fixed_to_the_body_is_consistent_and_a_fixed_one_is_not() -> None:
    """The body swings from the left of a still point to its right."""
    shift = torch.linspace(-4, 4, 80, dtype=torch.float64)[:, None, None] * torch.tensor([1.0, 0])
    joints = torch.tensor(BODY, dtype=torch.float64) + shift
    still = torch.tensor([3.0, 2.0], dtype=torch.float64).expand(80, 1, 2)
    found = bone_consistency(
        [torch.cat((joints[:, :1] / 2 + joints[:, 1:2] / 2, still), 1)], [joints], [BONES]
    )
    assert found.bone[0] == 0
    assert (found.share[0], found.spread[0], found.distance[0]) == pytest.approx((1, 0, 0))
    assert found.share[1] < 1
    assert found.distance[1] > 0.1


def test_videos_weigh_equally_however_long_they_are() -> None:
    """Ten frames at a third of the first bone; one at two thirds; one on the second bone."""
    on_first = [[[1.0, 0.0]]] * 10
    found = bone_consistency(
        [on_first, [[[2.0, 0.5]]], [[[3.0, 4.0]]]],
        [[BODY] * 10, [BODY], [BODY[::-1]]],  # another order of joints
        [BONES, BONES, [[2, 1], [1, 0]]],
    )
    assert found.bone.tolist() == [0]
    np.testing.assert_allclose(found.share, 2 / 3)
    np.testing.assert_allclose(found.spread, 1 / 6)
    np.testing.assert_allclose(found.distance, 0.1 / 3)


@pytest.mark.parametrize(
    ("keypoints", "joints", "bones", "message"),
    [
        ([[[0.0, 0.0]]] * 2, [BODY], BONES, "equal numbers of frames: 2, 1"),
        ([[0.0, 0.0]], [BODY], BONES, r"keypoints: expected \(frames, points, 2\): \(1, 2\)"),
        ([[[0.0, 0.0]]], [[[0.0, 0.0]]], [[0, 0]], "all in one place"),
        ([[[0.0, float("nan")]]], [BODY], BONES, "keypoints: not all numbers are finite"),
        ([[[0.0, 0.0]]], [BODY], [[0, 3]], "from 0 to 2"),
        ([[[0.0, 0.0]]], [BODY], [[0, -1]], "from 0 to 2"),
        ([[[0.0, 0.0]]], [BODY], [0, 1], r"bones: expected \(bones, 2\)"),
    ],
)
def test_unfit_input_is_rejected(
    keypoints: object, joints: object, bones: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        nearest_bones(keypoints, joints, bones)  # type: ignore[arg-type]


def test_videos_that_do_not_match_are_rejected() -> None:
    point = [[[0.0, 0.0]]]
    with pytest.raises(ValueError, match="one or more: 0, 0, 0"):
        bone_consistency([], [], [])
    with pytest.raises(ValueError, match="one or more: 1, 1, 2"):
        bone_consistency([point], [[BODY]], [BONES, BONES])
    with pytest.raises(ValueError, match="keypoints and bones in all videos"):
        bone_consistency([point, point], [[BODY]] * 2, [BONES, BONES[:1]])
