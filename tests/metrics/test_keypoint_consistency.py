import numpy as np
import pytest
import torch
from torch import Tensor

from cpabmm_core.metrics import unexplained_share

FRAMES = 40


def phase(video: int) -> Tensor:
    return torch.linspace(0, 2 * torch.pi * (video + 1), FRAMES + 1)[:-1] + video


def body(video: int) -> Tensor:  # (F, 4, 2)
    """A drifting body; joints 0 and 1 swing along x, 2 and 3 oppositely; 1 and 3 half as far."""
    swing = torch.sin(phase(video))
    along_x = torch.stack((swing, swing, -swing, -swing), dim=1)
    joints = torch.stack((along_x, torch.zeros_like(along_x)), dim=-1)
    joints[:, 1] *= 0.5
    joints[:, 3] *= 0.5
    return joints + torch.tensor([3.0, 1.0]) * torch.linspace(0, 1, FRAMES)[:, None, None]


def test_a_keypoint_on_each_joint_explains_everything() -> None:
    joints = [body(video) for video in range(3)]
    keypoints = [truth.flip(1) + 0.3 for truth in joints]  # reversed order, constant offset
    found = unexplained_share(keypoints, joints)
    np.testing.assert_allclose(found.share, np.zeros(4), atol=1e-5, rtol=0)
    assert found.keypoint.tolist() == [3, 2, 1, 0]
    assert found.moving.tolist() == [True, False, True, False]
    assert found.moving_share < 1e-5


def test_a_keypoint_that_drifts_with_the_body_explains_nothing() -> None:
    joints = [body(video) for video in range(3)]
    found = unexplained_share([truth.mean(1, keepdim=True) for truth in joints], joints)
    np.testing.assert_allclose(found.share, np.ones(4), rtol=1e-5)


def test_a_keypoint_that_moves_half_as_far_explains_half() -> None:
    """About the mean the joints move by s, s/2, -s and -s/2; the keypoint by s/2."""
    joints = [body(0)]
    middle = joints[0].mean(1)
    found = unexplained_share([(middle + (joints[0][:, 0] - middle) / 2)[:, None]], joints)
    np.testing.assert_allclose(found.share, [0.5, 0, 1.5, 2], atol=1e-5, rtol=1e-5)


def test_one_keypoint_must_follow_the_joint_in_all_videos() -> None:
    """Each of two keypoints follows joint 0 in one video and the mean in the other."""
    joints = [body(0), body(1)]
    rest = [truth.mean(1) for truth in joints]
    swapped = [
        torch.stack((joints[0][:, 0], rest[0]), dim=1),
        torch.stack((rest[1], joints[1][:, 0]), dim=1),
    ]
    assert unexplained_share(swapped, joints).share[0] == pytest.approx(0.5, abs=1e-5)


def test_different_numbers_of_videos_or_frames_are_rejected() -> None:
    with pytest.raises(ValueError, match="equal numbers of videos, one or more: 0, 0"):
        unexplained_share([], [])
    with pytest.raises(ValueError, match="equal numbers of frames, two or more: 39, 40"):
        unexplained_share([body(0)[1:]], [body(0)])
