"""Affine motion: candidates, detector and generator of FOMM and MRAA, by closed forms."""

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
from cpabmm_core.models.dense_motion import DenseMotionNetwork, Motion
from cpabmm_core.models.hourglass_keypoints import HourglassKeypointDetector, RegressedFrames
from cpabmm_core.models.motion import AffineMotion
from cpabmm_core.models.occlusion_aware import OcclusionAwareGenerator


def matrix(seed: int) -> Tensor:  # (1, 3, 3), near the identity
    generator = torch.Generator().manual_seed(seed)
    rows = torch.eye(2, 3) + 0.2 * torch.randn(2, 3, generator=generator)
    return torch.cat((rows, torch.tensor([[0.0, 0.0, 1.0]])))[None]


def moved(keypoints: Tensor, by: Tensor) -> Tensor:
    """The keypoints of an image whose every point is moved by an affine map."""
    return with_jacobians(
        apply_affine(by, positions(keypoints)), by[:, None, :2, :2] @ jacobians(keypoints)
    )


def keypoints(seed: int = 0) -> Tensor:  # (1, 4, 6)
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(1, 4, 2, generator=generator) - 0.5
    return with_jacobians(points, torch.randn(1, 4, 2, 2, generator=generator))


@pytest.mark.parametrize("undirected", [False, True])
def test_every_candidate_of_an_affine_movement_is_that_movement(undirected: bool) -> None:
    source = moved(driving := keypoints(), by := matrix(1))
    flows = AffineMotion(4, undirected=undirected)(source, driving, (8, 6))
    expected = apply_affine(by, identity_grid(8, 6)[None])
    torch.testing.assert_close(flows, expected[:, None].expand(1, 4, 8, 6, 2))


def test_directed_frames_may_turn_about_and_undirected_ones_do_not() -> None:
    about = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))[None]
    source = moved(driving := keypoints(), about)
    directed = AffineMotion(4)(source, driving, (8, 8))
    torch.testing.assert_close(directed[:, 0], apply_affine(about, identity_grid(8, 8)[None]))
    undirected = AffineMotion(4, undirected=True)(source, driving, (8, 8))
    shift = positions(source) - positions(driving)
    torch.testing.assert_close(
        undirected, identity_grid(8, 8) + shift[:, :, None, None], rtol=0, atol=1e-4
    )


def detector(frames: str) -> HourglassKeypointDetector:
    torch.manual_seed(0)
    return HourglassKeypointDetector(
        1,
        frames="pca" if frames == "pca" else "jacobian",
        block_expansion=4,
        max_features=8,
        blocks=2,
        scale_factor=1.0,
        padding=3,
    ).eval()


def test_a_bell_is_found_with_its_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heatmaps whose logits are those of a Gaussian have its mean and principal axes."""
    found, grid = detector("pca"), identity_grid(96, 96)
    turn, centre = math.radians(25), torch.tensor([0.2, -0.1])
    axes = torch.tensor(
        [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    ) @ torch.diag(torch.tensor([0.16, 0.08]))
    offsets = (grid - centre) @ torch.linalg.inv(axes).T
    logits = -0.5 * offsets.square().sum(-1) * 0.1  # the temperature
    monkeypatch.setattr(found.heatmaps, "forward", lambda _: logits[None, None])
    [[keypoint]] = found(torch.rand(1, 3, 96, 96))
    torch.testing.assert_close(positions(keypoint), centre, rtol=0, atol=1e-4)
    ours = jacobians(keypoint)
    torch.testing.assert_close(ours @ ours.T, axes @ axes.T, rtol=1e-3, atol=1e-5)
    assert (ours[:, 0] @ axes[:, 1]).abs() < 1e-4  # the longer axis comes first


def test_frames_are_the_identity_before_training() -> None:
    found = detector("jacobian")(torch.rand(2, 3, 16, 16))
    torch.testing.assert_close(jacobians(found), torch.eye(2).expand(2, 1, 2, 2))


def test_one_map_of_frames_serves_all_keypoints() -> None:
    """Each reads it where it is itself: the map here is x in its first channel."""
    found = HourglassKeypointDetector(3, single_jacobian_map=True, padding=3, scale_factor=1.0)
    assert isinstance(found.frames, RegressedFrames)
    grid = identity_grid(16, 16)
    features = torch.stack((grid[..., 0], *torch.zeros(3, 16, 16)))[None]
    found.frames.conv = torch.nn.Identity()  # type: ignore[assignment]
    shares = torch.zeros(1, 3, 256)
    places = [3, 100, 250]
    shares[0, range(3), places] = 1.0
    matrices = found.frames(features, shares, shares)
    assert torch.equal(matrices[0, :, 0, 0], grid.view(-1, 2)[places, 0])
    assert torch.equal(matrices.flatten(2)[..., 1:], torch.zeros(1, 3, 3))


@pytest.mark.parametrize("kind", ["jacobian", "pca"])
def test_gradients_reach_the_detector(kind: str) -> None:
    found = detector(kind).train()
    found(torch.rand(2, 3, 16, 16)).square().sum().backward()
    for name, weight in found.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all()


def test_shaped_heatmaps_are_those_of_the_covariance() -> None:
    dense = DenseMotionNetwork(
        2,
        4,
        block_expansion=4,
        max_features=8,
        blocks=2,
        scale_factor=1.0,
        occlusion_levels=1,
        finest_occlusion="flow",
        shaped_heatmaps=True,
    )
    seen: list[Tensor] = []
    dense.hourglass.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    driving, source = keypoints(1), keypoints(2)
    flows = identity_grid(16, 16).expand(1, 2, -1, -1, -1)
    motion = dense(torch.rand(1, 3, 16, 16), source, driving, flows)
    assert [tuple(occlusion.shape) for occlusion in motion.occlusion_maps] == [(1, 1, 16, 16)]

    def bells(of: Tensor) -> Tensor:
        matrices = jacobians(of)
        inverse = torch.linalg.inv(matrices @ matrices.transpose(-1, -2))
        offsets = identity_grid(16, 16) - positions(of)[:, :, None, None]
        return torch.exp(-0.5 * torch.einsum("bnyxi,bnij,bnyxj->bnyx", offsets, inverse, offsets))

    torch.testing.assert_close(seen[0][:, 1:5], bells(driving) - bells(source), rtol=0, atol=1e-4)


def test_a_flow_without_aligned_corners_is_a_stretched_one_with() -> None:
    """-1 is then half a pixel further out: for W pixels, W / (W - 1) times as far."""
    image, flow = torch.rand(1, 3, 10, 20), torch.rand(1, 6, 7, 2) * 2.4 - 1.2
    stretched = flow * torch.tensor([20 / 19, 10 / 9])
    torch.testing.assert_close(
        warp(image, flow, align_corners=False), warp(image, stretched), rtol=0, atol=1e-5
    )


def motion(visible: float, size: int = 8) -> Motion:
    flow = identity_grid(size, size)[None]
    mask = torch.full((1, 1, size, size), visible)
    return Motion(flow, torch.ones(1, 1, size, size), [mask], torch.rand(1, 1, 3, size, size))


def test_what_is_visible_is_the_warped_source_where_there_are_skips() -> None:
    torch.manual_seed(0)
    generator = OcclusionAwareGenerator(4, 8, 2, bottleneck_blocks=1, skips=True).eval()
    image = torch.rand(1, 3, 16, 16)
    still = F.interpolate(image, (16, 16))
    torch.testing.assert_close(generator(image, motion(1.0)), still, rtol=0, atol=1e-5)
    assert (generator(image, motion(0.0)) - still).abs().max() > 0.1


def test_without_skips_what_is_hidden_leaves_nothing_of_the_source() -> None:
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
        found = model.keypoints(image)
        assert found.shape == (1, 4, 6)
        still = model.motion(image, found, found.expand(3, -1, -1))
    rest = identity_grid(8, 8).expand(3, -1, -1, -1)
    torch.testing.assert_close(still.deformation, rest, rtol=0, atol=1e-4)
    assert (model.motion_kind, still.contribution_maps.shape) == ("affine", (3, 5, 8, 8))
