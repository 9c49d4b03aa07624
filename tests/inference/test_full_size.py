"""Full-size rendering against motions and pictures whose result is known in closed form."""

import resource
import sys

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from cpabmm_core import load_model
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.warping import resize_flow, warp
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.frames import resize, to_frames, to_model_input
from cpabmm_core.inference.full_size import add_detail
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.puppets import render_puppet

SIDE = 32
"""The networks' size in these tests."""


def motion(x: float = 0, y: float = 0, *, align_corners: bool = True, batch: int = 1) -> Motion:
    """Return the motion that samples the source (x, y) of its width and height further on."""
    grid = identity_grid(8, 8)
    if align_corners:
        flow = grid + 2 * torch.tensor([x, y]) * SIDE / (SIDE - 1)
    else:
        flow = grid * 7 / 8 + 2 * torch.tensor([x, y])
    maps, deformed = torch.ones(batch, 1, 8, 8), torch.zeros(batch, 1, 3, 8, 8)
    # The occlusion map says that nothing is visible: it must play no part.
    hidden = [torch.zeros(batch, 1, SIDE, SIDE)]
    return Motion(flow.expand(batch, 8, 8, 2), maps, hidden, deformed, align_corners)


def noise(size: int, channels: int = 3, batch: int = 1, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, size, size, generator=random)


def disc(size: int, x: float = 0.5, y: float = 0.5, *, blur: float = 3) -> Tensor:
    """Return a red disc with a soft edge on white, and its alpha, (1, 4, size, size)."""
    centres = (torch.arange(size) + 0.5) / size
    distance = ((centres - x).square() + (centres[:, None] - y).square()).sqrt()
    alpha = ((0.2 - distance) * size / blur + 0.5).clamp(0, 1)[None, None]
    red = torch.tensor([0.9, 0.1, 0.2]).view(1, 3, 1, 1)
    return torch.cat((alpha * red + 1 - alpha, alpha), dim=1)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [11, 31, 33, 77, 128])
def test_at_rest_the_result_is_the_large_source(size: int, align_corners: bool) -> None:
    large = noise(size)
    image = resize(large, SIDE)
    result = add_detail(image, motion(align_corners=align_corners), image, large)
    torch.testing.assert_close(result, large, rtol=0, atol=1e-3)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("factor", "x", "y"), [(3, 9, -3), (4, 5, 2), (2, -7, 1)])
def test_a_shown_source_is_the_large_one_moved(
    factor: int, x: int, y: int, align_corners: bool
) -> None:
    """The generator shows the warped source, and every sample is a pixel of the large one."""
    size = factor * SIDE
    large = noise(size)
    image = resize(large, SIDE)
    moved = motion(x / size, y / size, align_corners=align_corners)
    result = add_detail(moved.warp(image), moved, image, large)
    expected = large.roll((-y, -x), dims=(2, 3))
    inner = slice(size // 3, -size // 3)  # where the blur does not reach the border
    difference = (result - expected)[..., inner, inner].abs().max()
    assert difference < 2e-3  # Measured: 5e-5, from sampling positions in float32


def test_a_source_between_pixels_is_interpolated() -> None:
    """A band-limited picture, moved by a fraction of a pixel, is known between its pixels."""
    size = 4 * SIDE

    def wave(shift: float) -> Tensor:
        place = torch.arange(size) + shift
        row = 0.5 + 0.4 * torch.sin(2 * torch.pi * place / 8)
        return row.expand(1, 3, size, size)

    image = resize(wave(0), SIDE)
    moved = motion(0.4 / size)
    result = add_detail(moved.warp(image), moved, image, wave(0))
    difference = (result - wave(0.4))[..., size // 3 : -size // 3].abs().max()
    assert difference < 0.04  # Measured: 0.027. Without detail: 0.4


def test_at_the_networks_size_images_are_left_alone() -> None:
    images, image, large = noise(SIDE, batch=2), noise(SIDE, seed=1), noise(SIDE, seed=2)
    assert torch.equal(add_detail(images, motion(batch=2), image, large), images)


@pytest.mark.parametrize("size", [20, 80])
def test_what_the_generator_painted_is_only_enlarged(size: int) -> None:
    large = noise(size) / 5
    painted = 1 - noise(SIDE, seed=1) / 5
    result = add_detail(painted, motion(), resize(large, SIDE), large)
    torch.testing.assert_close(result, resize(painted, size), rtol=0, atol=1e-6)


def test_a_painted_part_leaves_the_rest_sharp() -> None:
    size = 4 * SIDE
    large = noise(size)
    image = resize(large, SIDE)
    painted = image.clone()
    painted[..., : SIDE // 2] = 0
    result = add_detail(painted, motion(), image, large)
    torch.testing.assert_close(
        result[..., -size // 4 :], large[..., -size // 4 :], atol=1e-3, rtol=0
    )
    assert result[..., : size // 4].max() < 1e-3


def test_a_blurred_copy_of_the_source_becomes_sharp() -> None:
    """Generators that do not copy pixels show the source, but less sharply."""
    large = torch.from_numpy(render_puppet(3, 0, split="test", frames=1, size=128).frames[0].copy())
    large = large.permute(2, 0, 1)[None] / 255
    image = resize(large, SIDE)
    blurred = gaussian_blur(image, [5, 5], [0.7, 0.7])
    result = add_detail(blurred, motion(), image, large)
    enlarged = resize(blurred, 128)
    assert error(result, large) < error(enlarged, large) / 10  # Measured: 0.03 of it


def error(ours: Tensor, other: Tensor) -> float:
    return (ours - other).square().mean().sqrt().item()


def test_nothing_is_drawn_from_beyond_the_source() -> None:
    """Half of the result lies outside the source, where the generator showed black."""
    size = 4 * SIDE
    large = 0.5 + noise(size) / 2
    image = resize(large, SIDE)
    moved = motion(0.5)
    result = add_detail(moved.warp(image), moved, image, large)
    assert result[..., size // 2 + 8 :].max() < 1e-3


def test_every_source_has_its_own_image() -> None:
    large, image = noise(70, batch=3), noise(SIDE, batch=3, seed=1)
    images = (image + 0.05 * noise(SIDE, batch=3, seed=2)).clamp(0, 1)
    together = add_detail(images, motion(0.1, batch=3), image, large)
    for number in range(3):
        one = slice(number, number + 1)
        alone = add_detail(images[one], motion(0.1), image[one], large[one])
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [SIDE, 100])
def test_alpha_at_rest_is_the_sources(size: int) -> None:
    large = disc(size)
    image = resize(large[:, :3], SIDE)
    result = add_detail(image, motion(), image, large)
    torch.testing.assert_close(result[:, 3], large[:, 3], rtol=0, atol=2e-3)


@pytest.mark.parametrize("blur", [1, 3, 10])
def test_a_moved_edge_keeps_its_colour_and_no_fringe(blur: float) -> None:
    size = 4 * SIDE
    large = disc(size, blur=blur)
    image = resize(large[:, :3], SIDE)
    moved = motion(0.125, -0.0625)
    flow = resize_flow(moved.deformation, (SIDE, SIDE))
    shown = warp(image, flow, padding="border")  # white outside the source
    result = add_detail(shown, moved, image, large)
    alpha = disc(size, 0.375, 0.5625, blur=blur)[0, 3]
    torch.testing.assert_close(result[0, 3], alpha, rtol=0, atol=0.01)
    soft = (alpha > 0.1) & (alpha < 0.9)
    red = torch.tensor([0.9, 0.1, 0.2])[:, None]
    assert soft.any()
    assert (result[0, :3, soft] - red).abs().max() < 0.02


@pytest.mark.parametrize("matte", [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.2, 0.7, 0.4)])
def test_on_the_matte_the_result_is_the_opaque_one(matte: tuple[float, float, float]) -> None:
    """Also where the generator painted something else than the source, and after rounding."""
    behind = torch.tensor(matte).view(1, 3, 1, 1)
    large = noise(60, 4)
    large[:, :3] = large[:, :3] * large[:, 3:] + behind * (1 - large[:, 3:])
    images, image = noise(SIDE, seed=3), resize(large[:, :3], SIDE)
    opaque = add_detail(images, motion(), image, large[:, :3])
    result = add_detail(images, motion(), image, large, matte=matte)
    assert result.min() >= 0
    assert result.max() <= 1
    colours, alpha = result.split((3, 1), dim=1)
    torch.testing.assert_close(colours * alpha + behind * (1 - alpha), opaque, rtol=0, atol=1e-5)
    colours, alpha = (result * 255).round().div(255).split((3, 1), dim=1)
    mixed = colours * alpha + behind * (1 - alpha)
    torch.testing.assert_close(mixed, opaque, rtol=0, atol=1.01 / 255)


def test_what_equals_the_matte_is_transparent_where_the_generator_painted() -> None:
    large = torch.cat((torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64)), dim=1)
    white = torch.ones(1, 3, SIDE, SIDE)
    result = add_detail(white, motion(), torch.zeros_like(white), large)
    assert result[:, 3].max() < 1e-6


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the peak in kilobytes")
def test_memory_does_not_grow_with_the_batch() -> None:
    size, batch = 1024, 8
    large, image = torch.full((1, 4, size, size), 0.5), torch.full((1, 3, SIDE, SIDE), 0.5)
    images, still = image.expand(batch, -1, -1, -1), motion(batch=batch)
    results = 4 * large.numel() * batch
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    to_frames(add_detail(images, still, image, large))
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < results + 300e6  # Measured: 240e6 more; a batch at once: 1.1e9


def test_puppets_are_sharper_and_no_further_from_the_truth_than_enlarged_ones() -> None:
    model = InferenceModel(load_model("puppets", device="cpu"))
    errors, gradients = [], []
    for index in range(4):
        frames = list(render_puppet(7, index, split="test", frames=5, size=192).frames[::4])
        first, real = (to_model_input(frame, 192, torch.device("cpu")) for frame in frames)
        images = model.to_input(frames)
        pose = model.model.keypoints(images[1:]).detach()
        enlarged = resize(EncodedSource(model, images[:1]).render(pose), 192)
        detailed = EncodedSource(model, images[:1], first).render(pose)
        errors.append([error(image, real) ** 2 for image in (enlarged, detailed)])
        gradients.append([sharpness(image) for image in (enlarged, detailed, real)])
    enlarged_error, error_with_detail = np.mean(errors, axis=0)
    assert error_with_detail < enlarged_error
    blurred, sharp, truth = np.mean(gradients, axis=0)
    assert abs(sharp - truth) < abs(blurred - truth) * 0.6


def sharpness(image: Tensor) -> float:
    return sum(image.diff(dim=axis).square().mean().item() for axis in (2, 3))
