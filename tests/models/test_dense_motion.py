import math

import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.warping import warp
from cpabmm_core.models.dense_motion import DenseMotionNetwork, Motion

KEYPOINTS = 6


def network(
    candidates: int, scale_factor: float = 0.25, *, hide_tears: bool = False
) -> DenseMotionNetwork:
    return DenseMotionNetwork(
        candidates,
        KEYPOINTS,
        block_expansion=4,
        max_features=8,
        blocks=3,
        scale_factor=scale_factor,
        occlusion_levels=3,
        hide_tears=hide_tears,
    )


def inputs(candidates: int, size: int = 8) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(2, 3, 32, 32, generator=generator)
    kp_source, kp_driving = torch.rand(2, 2, KEYPOINTS, 2, generator=generator) * 2 - 1
    noise = torch.randn(2, candidates, size, size, 2, generator=generator)
    return source, kp_source, kp_driving, identity_grid(size, size) + 0.1 * noise


@pytest.mark.parametrize("candidates", [1, 3, 12])
def test_deformation_is_the_weighted_sum_of_the_candidates(candidates: int) -> None:
    source, kp_source, kp_driving, flows = inputs(candidates)
    motion = network(candidates)(source, kp_source, kp_driving, flows)
    assert motion.contribution_maps.shape == (2, candidates, 8, 8)
    torch.testing.assert_close(motion.contribution_maps.sum(1), torch.ones(2, 8, 8))
    expected = torch.einsum("bkhw,bkhwc->bhwc", motion.contribution_maps, flows)
    torch.testing.assert_close(motion.deformation, expected)


def test_the_finest_occlusion_map_has_the_size_of_the_frame() -> None:
    for scale_factor, size in ((1.0, 32), (0.5, 16), (0.25, 8)):
        motion = network(2, scale_factor)(*inputs(2, size))
        assert [tuple(o.shape) for o in motion.occlusion_maps] == [
            (2, 1, side, side) for side in (8, 16, 32)
        ]
        assert all(o.min() >= 0 and o.max() <= 1 for o in motion.occlusion_maps)


def shown_and_hidden() -> tuple[DenseMotionNetwork, DenseMotionNetwork]:
    """Return two networks with the same weights, the second with `hide_tears`."""
    shown, hidden = network(1, 0.5), network(1, 0.5, hide_tears=True)
    hidden.load_state_dict(shown.state_dict())
    return shown, hidden


def rest_of_two() -> Tensor:  # (2, 1, 16, 16, 2)
    return identity_grid(16, 16).repeat(2, 1, 1, 1, 1)


def test_tears_are_hidden_in_the_finest_occlusion_map_only() -> None:
    source, kp_source, kp_driving, _ = inputs(1)
    flow = rest_of_two().roll(8, dims=3)  # a stretch of 15 where the halves meet, 1 elsewhere
    (*coarse, before), (*same, after) = (
        dense(source, kp_source, kp_driving, flow).occlusion_maps for dense in shown_and_hidden()
    )
    torch.testing.assert_close(coarse, same, rtol=0, atol=0)
    side = 31 / 15  # pixels of the finest map between two positions of the flow
    torn = slice(math.ceil(7 * side), math.floor(8 * side) + 1)
    assert after[..., torn].count_nonzero() == 0
    whole = [*range(math.floor(6 * side) + 1), *range(math.ceil(9 * side), 32)]
    torch.testing.assert_close(after[..., whole], before[..., whole])


def test_what_leaves_the_source_is_no_tear() -> None:
    source, kp_source, kp_driving, _ = inputs(1)
    flow = rest_of_two()
    flow[..., 8:, 0] = 1 + 9 * torch.rand(2, 1, 16, 8, generator=torch.manual_seed(0))
    flow[..., :8, 0] += 8 / 7.5  # so that the last of these eight columns reaches the border
    maps = [
        dense(source, kp_source, kp_driving, flow).occlusion_maps for dense in shown_and_hidden()
    ]
    torch.testing.assert_close(*maps)


def test_moderate_stretch_hides_nothing_and_tears_have_no_gradient() -> None:
    source, kp_source, kp_driving, _ = inputs(1)
    shown, hidden = shown_and_hidden()
    zoom = 3.9 * rest_of_two()
    maps = [dense(source, kp_source, kp_driving, zoom).occlusion_maps for dense in (shown, hidden)]
    torch.testing.assert_close(*maps)
    tearing = (6 * rest_of_two()).requires_grad_()
    motion = hidden(torch.zeros_like(source), kp_source, kp_driving, tearing)
    motion.occlusion_maps[-1].sum().backward()
    assert tearing.grad is None or tearing.grad.count_nonzero() == 0


def test_sources_are_warped_by_each_candidate() -> None:
    source, kp_source, kp_driving, flows = inputs(3)
    dense = network(3)
    motion = dense(source, kp_source, kp_driving, flows)
    small = dense.downsample(source)
    for k in range(3):
        torch.testing.assert_close(motion.deformed_sources[:, k], warp(small, flows[:, k]))


def test_dropped_candidate_contributes_nothing_and_the_others_are_renormalised() -> None:
    arguments = inputs(4)
    dense = network(4).eval()
    drop = torch.tensor([[False, True, False, False], [False, False, False, False]])
    full, dropped = (dense(*arguments, mask).contribution_maps for mask in (None, drop))
    assert dropped[0, 1].count_nonzero() == 0
    kept = full[0, [0, 2, 3]]
    torch.testing.assert_close(dropped[0, [0, 2, 3]], kept / kept.sum(0))
    torch.testing.assert_close(dropped[1], full[1])


def test_gradient_is_finite_with_dropped_candidates() -> None:
    source, kp_source, kp_driving, flows = inputs(3)
    drop = torch.tensor([[False, True, True]] * 2)
    motion = network(3)(source, kp_source, kp_driving.requires_grad_(), flows, drop)
    (motion.deformation.sum() + motion.contribution_maps.square().sum()).backward()
    assert kp_driving.grad is not None
    assert kp_driving.grad.isfinite().all()


def test_one_source_serves_many_poses() -> None:
    source, kp_source, kp_driving, flows = inputs(3)
    dense = network(3).eval()
    together = dense(source[:1], kp_source[:1], kp_driving, flows)
    for i in range(2):
        alone = dense(source[:1], kp_source[:1], kp_driving[i : i + 1], flows[i : i + 1])
        torch.testing.assert_close(together.deformation[i : i + 1], alone.deformation)


def test_the_input_is_the_difference_of_gaussians_around_the_keypoints() -> None:
    source, kp_source, kp_driving, flows = inputs(2)
    dense = network(2)
    network_inputs: list[Tensor] = []
    dense.hourglass.register_forward_pre_hook(lambda _, args: network_inputs.append(args[0]))
    dense(source, kp_source, kp_driving, flows)
    grid = identity_grid(8, 8)

    def gaussian(points: Tensor) -> Tensor:
        squared = (grid - points[:, :, None, None]).square().sum(-1)
        return torch.exp(-0.5 * squared / 0.01)

    heatmaps = network_inputs[0][:, : KEYPOINTS + 1]
    assert heatmaps[:, 0].count_nonzero() == 0
    expected = gaussian(kp_driving) - gaussian(kp_source)
    torch.testing.assert_close(heatmaps[:, 1:], expected, rtol=0, atol=1e-6)


def test_beyond_the_border_a_flow_shows_black_or_the_nearest_pixel() -> None:
    image = torch.rand(1, 3, 8, 8)
    beyond = identity_grid(8, 8)[None] + torch.tensor([2 * 2 / 7, 0.0])  # two pixels
    weights, visible = torch.ones(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    parts = (beyond, weights, [visible], torch.zeros(1, 1, 3, 8, 8))
    black, border = Motion(*parts).warp(image), Motion(*parts, padding="border").warp(image)
    assert torch.equal(black[..., :6], border[..., :6])
    assert (black[..., 6:].abs() < 1e-5).all()
    assert torch.allclose(border[..., 6:], image[..., 7:].expand(-1, -1, -1, 2), atol=1e-5)


def test_the_candidates_show_the_border_as_well() -> None:
    dense = DenseMotionNetwork(
        1,
        2,
        block_expansion=4,
        max_features=8,
        blocks=2,
        scale_factor=1.0,
        occlusion_levels=1,
        padding="border",
    )
    source = 0.5 + 0.5 * torch.rand(1, 3, 16, 16)
    beyond = identity_grid(16, 16)[None, None] + 1.0
    points = torch.zeros(1, 2, 2)
    motion = dense(source, points, points, beyond)
    assert motion.padding == "border"
    assert (motion.deformed_sources > 0.4).all()
