import numpy as np
import pytest
import torch

from cpabmm_core.metrics import bone_coverage

BODY = [[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]  # the diagonal of its box is 5
BONES = [[0, 1], [1, 2]]


def test_a_bone_is_covered_by_any_keypoint_within_reach() -> None:
    keypoints = [
        [[1.0, 0.2], [9.0, 9.0]],  # the first bone
        [[9.0, 9.0], [2.8, 2.0]],  # the second bone
        [[1.0, 0.2], [3.2, 3.0]],  # both
        [[1.0, 0.3], [9.0, 9.0]],  # neither: 0.3 is more than a twentieth of 5
    ]
    joints = torch.tensor([BODY] * 4)
    found = bone_coverage(torch.tensor(keypoints), joints, torch.tensor(BONES))
    np.testing.assert_array_equal(found, [0.5, 0.5])


def test_reach_is_relative_to_the_body() -> None:
    keypoints = np.array([[[1.0, 0.5]]])
    for scale in (0.01, 1, 50):
        shares = [
            bone_coverage(keypoints * scale, np.array([BODY]) * scale, BONES, reach=reach)[0]
            for reach in (0.099, 0.101)
        ]
        assert shares == [0, 1]


def test_a_keypoint_covers_its_nearest_bone_only() -> None:
    crossed = [[[0.0, 0.0], [10.0, 0.0], [5.0, -5.0], [5.0, 5.0]]]
    found = bone_coverage([[[5.1, 0.2]]], crossed, [[0, 1], [2, 3]], reach=1)
    assert found.tolist() == [0, 1]


def test_a_negative_reach_is_rejected() -> None:
    for reach in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="reach: expected a number of 0 or more"):
            bone_coverage([[[0.0, 0.0]]], [BODY], BONES, reach=reach)
