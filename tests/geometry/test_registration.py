"""Robust registration against cameras that are known: closed forms, puppets and noise."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.geometry import apply_affine, identity_grid, register_affine, warp
from cpabmm_core.puppets import render_puppet

KNOWN = torch.tensor([[[1.02, -0.02, 0.04], [0.03, 0.98, -0.05], [0.0, 0.0, 1.0]]])
REST = torch.eye(3)[None]


def scene(height: int, width: int, seed: int = 0, channels: int = 3) -> Tensor:
    """Return a smooth texture, (1, C, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 9, 9, generator=generator)
    return F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True).clamp(0, 1)


def moved(source: Tensor, matrix: Tensor) -> Tensor:
    flow = apply_affine(matrix, identity_grid(*source.shape[2:])[None])
    return warp(source, flow, padding="border")


def corner_error(found: Tensor, truth: Tensor, side: int) -> float:
    """Return the mean distance of the four corners, in pixels."""
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]]).t()
    return float(((found - truth) @ corners)[:, :2].norm(dim=1).mean()) * side / 2


@pytest.mark.parametrize("size", [(64, 64), (96, 70), (128, 128), (200, 300), (33, 47)])
def test_the_motion_of_a_scene_is_found_at_any_size(size: tuple[int, int]) -> None:
    source = scene(*size)
    found = register_affine(source, moved(source, KNOWN))
    assert corner_error(found, KNOWN, max(size)) < 0.01 * max(size)
    assert corner_error(found, KNOWN, max(size)) < 0.2 * corner_error(REST, KNOWN, max(size))


def test_a_pan_by_a_tenth_of_the_frame_is_found() -> None:
    wide = scene(128, 141)
    found = register_affine(wide[..., :128], wide[..., 13:])
    assert found[0, 0, 2].item() * 127 / 2 == pytest.approx(13, abs=0.1)


def test_an_object_that_moves_by_itself_does_not_count() -> None:
    source = scene(96, 96)
    target = moved(source, KNOWN)
    source[:, :, 30:60, 30:55] = 1.0
    target[:, :, 36:66, 22:47] = 1.0
    assert corner_error(register_affine(source, target), KNOWN, 96) < 0.5


def test_noise_of_a_camera_is_tolerated() -> None:
    source = scene(96, 96)
    target = moved(source, KNOWN)
    generator = torch.Generator().manual_seed(1)
    pair = [x + 0.02 * torch.randn(x.shape, generator=generator) for x in (source, target)]
    assert corner_error(register_affine(*pair), KNOWN, 96) < 0.5


def test_each_pair_of_a_batch_is_registered_alone() -> None:
    still, other = scene(64, 64, seed=1), scene(64, 64, seed=2)
    alone = register_affine(other, moved(other, KNOWN))
    both = register_affine(torch.cat((still, other)), torch.cat((still, moved(other, KNOWN))))
    assert torch.allclose(both[:1], REST, atol=1e-6)
    assert torch.allclose(both[1:], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (torch.full((1, 3, 64, 64), 0.5), torch.full((1, 3, 64, 64), 0.5)),
        (torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)),
        (torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)),
        (torch.rand(1, 1, 1, 1), torch.rand(1, 1, 1, 1)),
    ],
    ids=["blank", "black and white", "tiny noise", "one pixel"],
)
def test_pictures_that_share_nothing_give_a_finite_motion(source: Tensor, target: Tensor) -> None:
    assert register_affine(source, target).isfinite().all()


def test_unrelated_scenes_are_not_torn_apart() -> None:
    found = register_affine(scene(64, 64, seed=3), scene(64, 64, seed=4))
    assert (found - REST).abs().max() < 1


def test_mixed_precision_does_not_round_the_result() -> None:
    source = scene(64, 64)
    target = moved(source, KNOWN)
    with torch.autocast("cpu", torch.bfloat16):
        found = register_affine(source, target)
    assert found.dtype == torch.float32
    assert torch.equal(found, register_affine(source, target))


def test_the_camera_of_puppets_is_found_behind_the_moving_character() -> None:
    found, rest = [], []
    for index in range(6):
        video = render_puppet(0, index, split="test", frames=25, size=96)
        images = torch.from_numpy(video.frames[[0, 12, 24]]).movedim(-1, 1) / 255
        views = F.pad(torch.from_numpy(video.camera[[0, 12, 24]]), (0, 0, 0, 1))
        views[:, 2, 2] = 1
        to_unit = torch.tensor([[95 / 192, 0, 0.5], [0, 95 / 192, 0.5], [0, 0, 1]]).double()
        truth = (to_unit.inverse() @ views[:1] @ views.inverse() @ to_unit).float()
        matrix = register_affine(images[:1].expand_as(images), images)
        found.append(corner_error(matrix, truth, 96))
        rest.append(corner_error(REST, truth, 96))
    assert np.mean(found) < 0.4 * np.mean(rest)
