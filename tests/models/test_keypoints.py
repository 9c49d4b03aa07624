from typing import Literal

import pytest
import torch

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.keypoints import HeatmapHead, KeypointDetector


@pytest.mark.parametrize("head", ["regression", "heatmap"])
def test_keypoints_stay_in_the_frame(head: Literal["regression", "heatmap"]) -> None:
    detector = KeypointDetector("test_efficientnet", head, groups=3, points_per_group=4)
    keypoints = detector(torch.rand(2, 3, 64, 64))
    assert keypoints.shape == (2, 12, 2)
    assert keypoints.abs().max() <= 1
    assert not torch.equal(keypoints[0], keypoints[1])


@pytest.mark.parametrize("head", ["regression", "heatmap"])
def test_gradient_reaches_the_first_layer(head: Literal["regression", "heatmap"]) -> None:
    detector = KeypointDetector("test_efficientnet", head, groups=1, points_per_group=3)
    detector(torch.rand(2, 3, 64, 64)).square().sum().backward()
    first = next(detector.backbone.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


@pytest.mark.parametrize("head", ["regression", "heatmap"])
def test_mixed_precision_does_not_round_keypoints(head: Literal["regression", "heatmap"]) -> None:
    detector = KeypointDetector("test_efficientnet", head, groups=1, points_per_group=3).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        keypoints = detector(torch.rand(1, 3, 64, 64))
    assert keypoints.dtype == torch.float32
    assert not torch.equal(keypoints, keypoints.bfloat16().float())


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (7, 3)])
def test_heatmap_head_finds_the_position_of_a_peak(row: int, column: int) -> None:
    head = HeatmapHead([1, 1], points=1)
    torch.nn.init.ones_(head.heatmaps.weight)
    for parameter in head.laterals.parameters():
        torch.nn.init.ones_(parameter)
    fine = torch.zeros(1, 1, 8, 8)
    fine[0, 0, row, column] = 1.0
    keypoint = head([fine, torch.zeros(1, 1, 4, 4)])
    expected = identity_grid(8, 8)[row, column]
    torch.testing.assert_close(keypoint[0, 0], expected, rtol=0, atol=1e-5)
