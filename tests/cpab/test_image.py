from collections.abc import Callable

import numpy as np
import pytest
import torch

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform
from cpabmm_core.cpab import image as module
from cpabmm_core.cpab.image import Margin, warp_image

SPACE = VelocitySpace(Tessellation(3, 3))
CONTENT = np.random.default_rng(0).integers(0, 256, (24, 33, 3), dtype=np.uint8)


Translation = Callable[[float, float], torch.Tensor]


@pytest.fixture
def translation(device: torch.device, dtype: torch.dtype) -> Translation:
    """Return theta of the constant field (x, y), a translation by (x, y)."""

    def theta(x: float, y: float) -> torch.Tensor:
        affine = torch.zeros(1, SPACE.tessellation.cells, 2, 3, dtype=torch.float64)
        affine[..., 2] = torch.tensor([x, y])
        return SPACE.coordinates(affine).to(device, dtype)

    return theta


def test_the_identity_leaves_every_pixel(device: torch.device, dtype: torch.dtype) -> None:
    theta = torch.zeros(1, SPACE.dim, device=device, dtype=dtype)
    np.testing.assert_array_equal(warp_image(SPACE, theta, CONTENT), CONTENT)


def test_a_translation_by_whole_pixels_shifts_and_fills_with_black(
    translation: Translation,
) -> None:
    height, width, _ = CONTENT.shape
    moved = warp_image(SPACE, translation(5 / (width - 1), -2 / (height - 1)), CONTENT)
    np.testing.assert_array_equal(moved[:-2, 5:], CONTENT[2:, :-5])
    assert not moved[-1].any()
    assert not moved[:, :4].any()


def test_content_follows_the_transformation(device: torch.device, dtype: torch.dtype) -> None:
    theta = 0.3 * torch.randn(1, SPACE.dim, generator=torch.Generator().manual_seed(1))
    theta = theta.to(device, dtype)
    point = theta.new_tensor([[[0.5, 0.5]]])
    y, x = np.mgrid[:81, :81] / 80
    blob = 255 * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.002)
    moved = warp_image(SPACE, theta, np.repeat(blob.astype(np.uint8)[..., None], 3, axis=2))
    top, left = np.unravel_index(moved[..., 0].argmax(), (81, 81))
    expected = transform(SPACE, theta, point)[0, 0].cpu() * 80
    np.testing.assert_allclose([left, top], expected.numpy(), atol=1.5)
    assert not np.allclose(expected.numpy(), 40, atol=3)


def test_parts_give_the_same_picture_as_the_whole(
    monkeypatch: pytest.MonkeyPatch, translation: Translation
) -> None:
    theta = translation(0.1, 0.2)
    whole = warp_image(SPACE, theta, CONTENT)
    monkeypatch.setattr(module, "_POINTS_AT_ONCE", 100)
    np.testing.assert_array_equal(warp_image(SPACE, theta, CONTENT), whole)


def test_a_single_pixel_is_a_picture() -> None:
    theta = torch.zeros(1, SPACE.dim)
    assert warp_image(SPACE, theta, CONTENT[:1, :1]).tolist() == CONTENT[:1, :1].tolist()


def test_a_whole_pixel_translation_moves_alpha_and_fills_with_transparency(
    translation: Translation,
) -> None:
    alpha = np.random.default_rng(1).integers(1, 256, CONTENT.shape[:2], dtype=np.uint8)
    height, width, _ = CONTENT.shape
    image = np.dstack([CONTENT, alpha])
    moved = warp_image(SPACE, translation(5 / (width - 1), -2 / (height - 1)), image)
    np.testing.assert_array_equal(moved[:-2, 5:], image[2:, :-5])
    assert not moved[-1].any()
    assert not moved[:, :4].any()


def test_invisible_colours_leave_no_fringe(translation: Translation) -> None:
    """A red disc on transparent green would get a yellow rim without premultiplication."""
    y, x = np.mgrid[:41, :41]
    inside = (x - 20) ** 2 + (y - 20) ** 2 < 150
    red_green = np.where(inside[..., None], (200, 0, 0), (0, 255, 0)).astype(np.uint8)
    image = np.dstack([red_green, np.where(inside, 255, 0).astype(np.uint8)])
    moved = warp_image(SPACE, translation(0.4 / 40, 0.3 / 40), image)
    rim = (moved[..., 3] > 0) & (moved[..., 3] < 255)
    assert rim.sum() > 20
    np.testing.assert_array_equal(moved[rim, :3], np.broadcast_to((200, 0, 0), (rim.sum(), 3)))
    assert not moved[moved[..., 3] == 0].any()


def test_alpha_between_two_pixels_is_their_mean_and_colour_is_weighted_by_it(
    translation: Translation,
) -> None:
    image = np.zeros((2, 2, 4), dtype=np.uint8)
    image[:, 0] = (100, 0, 0, 200)
    image[:, 1] = (0, 100, 0, 100)
    moved = warp_image(SPACE, translation(0.5, 0.0), image)
    np.testing.assert_array_equal(moved[:, 1], np.broadcast_to((67, 33, 0, 150), (2, 4)))


def test_the_margin_shows_content_that_leaves_the_picture(translation: Translation) -> None:
    height, width, _ = CONTENT.shape
    theta = translation(5 / (width - 1), -2 / (height - 1))
    wide = warp_image(SPACE, theta, CONTENT, margin=Margin(left=1, top=3, right=6, bottom=4))
    assert wide.shape == (height + 7, width + 7, 3)
    np.testing.assert_array_equal(wide[1 : 1 + height, 6 : 6 + width], CONTENT)
    np.testing.assert_array_equal(wide[3:-4, 1:-6], warp_image(SPACE, theta, CONTENT))
    assert not wide[0].any()
    assert not wide[:, -1].any()
