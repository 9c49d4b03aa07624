import numpy as np
import pytest
import torch

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.cpab.image import warp_image
from cpabmm_core.cpab.image_batch import warp_batch
from cpabmm_core.cpab.sampling import sample

SPACE = VelocitySpace(Tessellation(3, 2))


def random_images(batch: int, height: int = 14, width: int = 19) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, 3, height, width, generator=generator, dtype=torch.float64)


def random_thetas(batch: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return sample(SPACE, batch, generator=torch.Generator().manual_seed(1), dtype=dtype)


def test_the_identity_leaves_every_pixel(device: torch.device, dtype: torch.dtype) -> None:
    images = random_images(2).to(device, dtype)
    still = images.new_zeros(2, SPACE.dim)
    torch.testing.assert_close(warp_batch(SPACE, still, images), images)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_a_translation_by_whole_pixels_shifts(
    padding: str, device: torch.device, dtype: torch.dtype
) -> None:
    images = random_images(1).to(device, dtype)
    affine = torch.zeros(1, SPACE.tessellation.cells, 2, 3, dtype=torch.float64)
    affine[..., 2] = torch.tensor([4 / 18, -3 / 13])
    theta = SPACE.coordinates(affine).to(images)
    moved = warp_batch(SPACE, theta, images, padding=padding)  # type: ignore[arg-type]
    torch.testing.assert_close(moved[:, :, :-3, 4:], images[:, :, 3:, :-4])
    beyond = {"zeros": 0 * images[:, :, 3, 0], "border": images[:, :, 3, 0]}
    beyond["reflection"] = images[:, :, 3, 2]
    torch.testing.assert_close(moved[:, :, 0, 2], beyond[padding])


def test_equals_the_picture_by_picture_warp() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 24, 33, 3), dtype=np.uint8)
    theta = random_thetas(3, torch.float32)
    moved = warp_batch(SPACE, theta, torch.from_numpy(pictures).permute(0, 3, 1, 2).float())
    for one, picture, batch in zip(theta, pictures, moved, strict=True):
        difference = batch.permute(1, 2, 0).numpy() - warp_image(SPACE, one[None], picture)
        assert np.abs(difference).max() < 0.51


def test_one_transformation_of_many_images_and_many_of_one_image() -> None:
    images, theta = random_images(3), random_thetas(3)
    for b in range(3):
        one = warp_batch(SPACE, theta[b : b + 1], images)
        torch.testing.assert_close(one, warp_batch(SPACE, theta[[b] * 3], images))
        many = warp_batch(SPACE, theta, images[b : b + 1])
        torch.testing.assert_close(many, warp_batch(SPACE, theta, images[[b] * 3]))
    assert warp_batch(SPACE, theta[:0], images[:0]).shape == (0, *images.shape[1:])


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_gradcheck(padding: str) -> None:
    images = random_images(2, 5, 6).requires_grad_()
    theta = random_thetas(2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda t, i: warp_batch(SPACE, t, i, padding=padding),  # type: ignore[arg-type]
        (theta, images),
    )


def test_images_keep_their_dtype() -> None:
    images = random_images(1).half()
    assert warp_batch(SPACE, random_thetas(1, torch.float32), images).dtype == torch.float16


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"where one B may be 1, got \(2, 26\) and \(3, 3, 14"):
        warp_batch(SPACE, torch.zeros(2, 26), random_images(3))
    with pytest.raises(ValueError, match="expected theta"):
        warp_batch(SPACE, torch.zeros(1, SPACE.dim), random_images(1)[0])
    with pytest.raises(ValueError, match="theta: expected"):
        warp_batch(SPACE, torch.zeros(1, 3, dtype=torch.float64), random_images(1))
