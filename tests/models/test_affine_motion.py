"""Affine motion: candidates, detector and generator of FOMM and MRAA against closed forms."""

import math

import pytest
import torch
import torch.nn.functional as F
from _helpers.tiny_model import tiny_affine_config, tiny_model
from torch import Tensor

from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.local_affine import jacobians, positions, with_jacobians
from cpabmm_core.geometry.warping import warp
from cpabmm_core.models.affine_motion import AffineMotion
from cpabmm_core.models.dense_motion import DenseMotionNetwork, Motion
from cpabmm_core.models.hourglass_keypoints import HourglassKeypointDetector, RegressedJacobians
from cpabmm_core.models.occlusion_aware import OcclusionAwareGenerator


def matrix(seed: int) -> Tensor:  # (1, 3, 3), near the identity
    generator = torch.Generator().manual_seed(seed)
    rows = torch.eye(2, 3) + 0.2 * torch.randn(2, 3, generator=generator)
    return torch.cat((rows, torch.tensor([[0.0, 0.0, 1.0]])))[None]


def moved(keypoints: Tensor, by: Tensor) -> Tensor:
    """Return the keypoints of an image after an affine map."""
    return with_jacobians(
        apply_affine(by, positions(keypoints)), by[:, None, :2, :2] @ jacobians(keypoints)
    )


def keypoints(seed: int = 0) -> Tensor:  # (1, 4, 6)
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(1, 4, 2, generator=generator) - 0.5
    return with_jacobians(points, torch.randn(1, 4, 2, 2, generator=generator))


@pytest.mark.parametrize("undirected", [False, True])
def test_every_candidate_recovers_an_affine_movement(undirected: bool) -> None:
    source = moved(driving := keypoints(), by := matrix(1))
    flows = AffineMotion(4, undirected=undirected)(source, driving, (8, 6))
    expected = apply_affine(by, identity_grid(8, 6)[None])
    torch.testing.assert_close(flows, expected[:, None].expand(1, 4, 8, 6, 2))


def test_only_directed_jacobians_can_rotate_by_half_a_turn() -> None:
    half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))[None]
    source = moved(driving := keypoints(), half_turn)
    directed = AffineMotion(4)(source, driving, (8, 8))
    torch.testing.assert_close(directed[:, 0], apply_affine(half_turn, identity_grid(8, 8)[None]))
    undirected = AffineMotion(4, undirected=True)(source, driving, (8, 8))
    shift = positions(source) - positions(driving)
    torch.testing.assert_close(
        undirected, identity_grid(8, 8) + shift[:, :, None, None], rtol=0, atol=1e-4
    )


def detector(frames: str) -> HourglassKeypointDetector:
    torch.manual_seed(0)
    return HourglassKeypointDetector(
        1,
        jacobians="principal" if frames == "pca" else "regressed",
        block_expansion=4,
        max_features=8,
        blocks=2,
        scale_factor=1.0,
        padding=3,
    ).eval()


def test_a_gaussian_heatmap_gives_its_mean_and_principal_axes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, grid = detector("pca"), identity_grid(96, 96)
    turn, centre = math.radians(25), torch.tensor([0.2, -0.1])
    axes = torch.tensor(
        [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    ) @ torch.diag(torch.tensor([0.16, 0.08]))
    offsets = (grid - centre) @ torch.linalg.inv(axes).T
    logits = -0.5 * offsets.square().sum(-1) * 0.1  # the temperature
    monkeypatch.setattr(network.heatmaps, "forward", lambda _: logits[None, None])
    [[keypoint]] = network(torch.rand(1, 3, 96, 96))
    torch.testing.assert_close(positions(keypoint), centre, rtol=0, atol=1e-4)
    ours = jacobians(keypoint)
    torch.testing.assert_close(ours @ ours.T, axes @ axes.T, rtol=1e-3, atol=1e-5)
    assert (ours[:, 0] @ axes[:, 1]).abs() < 1e-4  # the longer axis comes first


def test_jacobians_are_the_identity_before_training() -> None:
    detected = detector("jacobian")(torch.rand(2, 3, 16, 16))
    torch.testing.assert_close(jacobians(detected), torch.eye(2).expand(2, 1, 2, 2))


def test_all_keypoints_can_share_one_map_of_jacobians() -> None:
    """Each keypoint reads the map at its own position; the first channel here is x."""
    network = HourglassKeypointDetector(3, single_jacobian_map=True, padding=3, scale_factor=1.0)
    assert isinstance(network.jacobians, RegressedJacobians)
    grid = identity_grid(16, 16)
    features = torch.stack((grid[..., 0], *torch.zeros(3, 16, 16)))[None]
    network.jacobians.conv = torch.nn.Identity()  # type: ignore[assignment]
    weights = torch.zeros(1, 3, 256)
    places = [3, 100, 250]
    weights[0, range(3), places] = 1.0
    matrices = network.jacobians(features, weights, weights)
    assert torch.equal(matrices[0, :, 0, 0], grid.view(-1, 2)[places, 0])
    assert torch.equal(matrices.flatten(2)[..., 1:], torch.zeros(1, 3, 3))


@pytest.mark.parametrize("kind", ["jacobian", "pca"])
def test_gradients_reach_the_detector(kind: str) -> None:
    network = detector(kind).train()
    network(torch.rand(2, 3, 16, 16)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all()


def test_anisotropic_heatmaps_have_the_covariance_of_the_jacobian() -> None:
    dense = DenseMotionNetwork(
        2,
        4,
        block_expansion=4,
        max_features=8,
        blocks=2,
        scale_factor=1.0,
        occlusion_levels=1,
        finest_occlusion="flow",
        anisotropic_heatmaps=True,
    )
    network_inputs: list[Tensor] = []
    dense.hourglass.register_forward_pre_hook(lambda _, args: network_inputs.append(args[0]))
    driving, source = keypoints(1), keypoints(2)
    flows = identity_grid(16, 16).expand(1, 2, -1, -1, -1)
    motion = dense(torch.rand(1, 3, 16, 16), source, driving, flows)
    assert [tuple(occlusion.shape) for occlusion in motion.occlusion_maps] == [(1, 1, 16, 16)]

    def gaussians(of: Tensor) -> Tensor:
        matrices = jacobians(of)
        inverse = torch.linalg.inv(matrices @ matrices.transpose(-1, -2))
        offsets = identity_grid(16, 16) - positions(of)[:, :, None, None]
        return torch.exp(-0.5 * torch.einsum("bnyxi,bnij,bnyxj->bnyx", offsets, inverse, offsets))

    torch.testing.assert_close(
        network_inputs[0][:, 1:5], gaussians(driving) - gaussians(source), rtol=0, atol=1e-4
    )


def test_align_corners_only_scales_the_flow() -> None:
    """Without it, -1 is half a pixel further out: W / (W - 1) times as far for W pixels."""
    image, flow = torch.rand(1, 3, 10, 20), torch.rand(1, 6, 7, 2) * 2.4 - 1.2
    stretched = flow * torch.tensor([20 / 19, 10 / 9])
    torch.testing.assert_close(
        warp(image, flow, align_corners=False), warp(image, stretched), rtol=0, atol=1e-5
    )


def motion(visible: float, size: int = 8) -> Motion:
    flow = identity_grid(size, size)[None]
    mask = torch.full((1, 1, size, size), visible)
    return Motion(flow, torch.ones(1, 1, size, size), [mask], torch.rand(1, 1, 3, size, size))


def test_with_skips_visible_regions_are_the_warped_source() -> None:
    torch.manual_seed(0)
    generator = OcclusionAwareGenerator(4, 8, 2, bottleneck_blocks=1, skips=True).eval()
    image = torch.rand(1, 3, 16, 16)
    still = F.interpolate(image, (16, 16))
    torch.testing.assert_close(generator(image, motion(1.0)), still, rtol=0, atol=1e-5)
    assert (generator(image, motion(0.0)) - still).abs().max() > 0.1


def test_without_skips_occluded_regions_do_not_depend_on_the_source() -> None:
    torch.manual_seed(0)
    generator = OcclusionAwareGenerator(4, 8, 2, bottleneck_blocks=1).eval()
    one, other = torch.rand(2, 1, 3, 16, 16)
    assert torch.equal(generator(one, motion(0.0)), generator(other, motion(0.0)))
    assert not torch.equal(generator(one, motion(1.0)), generator(other, motion(1.0)))


@pytest.mark.parametrize("kind", ["jacobian", "pca"])
def test_a_source_in_its_own_pose_does_not_move(kind: str) -> None:
    model = tiny_model(tiny_affine_config(kind))
    image = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        keypoints = model.keypoints(image)
        assert keypoints.shape == (1, 4, 6)
        still = model.motion(image, keypoints, keypoints.expand(3, -1, -1))
    rest = identity_grid(8, 8).expand(3, -1, -1, -1)
    torch.testing.assert_close(still.deformation, rest, rtol=0, atol=1e-4)
    assert (model.motion_kind, still.contribution_maps.shape) == ("affine", (3, 5, 8, 8))
