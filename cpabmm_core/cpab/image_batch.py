"""Differentiable CPAB warps of image batches, for losses and augmentation."""

from typing import Literal

from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.transformation import transform
from cpabmm_core.geometry.coordinates import from_unit_square, identity_grid, to_unit_square
from cpabmm_core.geometry.warping import warp


def warp_batch(
    space: VelocitySpace,
    theta: Tensor,  # (B, dim), or (1, dim) for one transformation of every image
    images: Tensor,  # (B, C, H, W), or (1, C, H, W) for one image under every transformation
    *,
    padding: Literal["zeros", "border", "reflection"] = "zeros",
) -> Tensor:  # (B, C, H, W)
    """Move the content of each image by T^theta.

    Convention:
        The unit square runs from the centre of the first to that of the last pixel, x to the right
        and y downwards. Content at x moves to T^theta(x), so the pixel at y is sampled at
        T^(-theta)(y), bilinearly. Differentiable in theta and in the images.

    Args:
        space: admissible fields.
        theta: coordinates of the fields; float32 or float64.
        images: images of any floating dtype on theta's device.
        padding: what lies outside an image: black, its nearest border pixel or its mirror image.

    Returns:
        The warped images, in the dtype of `images`.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import torch
        >>> from cpabmm_core.cpab import Tessellation
        >>> space = VelocitySpace(Tessellation(4, 4))
        >>> images = torch.rand(2, 3, 24, 32)
        >>> torch.allclose(warp_batch(space, torch.zeros(1, space.dim), images), images, atol=1e-5)
        True
    """
    batches = {len(theta), len(images)} - {1}
    if theta.ndim != 2 or images.ndim != 4 or len(batches) > 1:
        raise ValueError(
            "expected theta (B, dim) and images (B, C, H, W), where one B may be 1, "
            f"got {tuple(theta.shape)} and {tuple(images.shape)}"
        )
    height, width = images.shape[2:]
    grid = identity_grid(height, width, device=theta.device, dtype=theta.dtype)
    pixels = to_unit_square(grid).view(1, -1, 2).expand(len(theta), -1, -1)
    origins = transform(space, theta, pixels, inverse=True)
    flow = from_unit_square(origins).view(len(theta), height, width, 2)
    batch = batches.pop() if batches else 1
    return warp(images, flow.expand(batch, -1, -1, -1), padding=padding)
