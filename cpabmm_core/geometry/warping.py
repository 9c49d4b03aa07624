"""Sampling of images and feature maps along a backward flow."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Padding = Literal["zeros", "border", "reflection"]
"""What lies outside an image: zeros, its nearest border pixel or its mirror image."""


def warp(
    image: Tensor,  # (B, C, H, W), or (1, C, H, W) for one image under every flow
    flow: Tensor,  # (B, h, w, 2) in [-1, 1]
    *,
    padding: Padding = "zeros",
    align_corners: bool = True,
) -> Tensor:  # (B, C, h, w)
    """Sample an image along a backward flow: ``out[y, x] = image(flow[y, x])``.

    Convention:
        The flow holds one position (x, y) in `image` for each output pixel. Sampling is bilinear
        and differentiable in both arguments. It is computed in the flow's dtype and returned in the
        image's.

    Args:
        image: images or feature maps.
        flow: where to sample each image, in normalised coordinates.
        padding: what lies outside an image: zeros, its nearest border pixel or its mirror image.
        align_corners: True: -1 and 1 are the centres of the first and last pixel. False: they are
            the outer edges, as in the code of the published FOMM and MRAA models.

    Returns:
        The sampled images, of the flow's size.

    Example:
        >>> import torch
        >>> from cpabmm_core.geometry import identity_grid
        >>> image = torch.arange(6.0).view(1, 1, 2, 3)
        >>> torch.allclose(warp(image, identity_grid(2, 3)[None]), image)
        True
    """
    # An expanded batch shares the memory of the one image.
    expanded = image.to(flow.dtype).expand(flow.shape[0], -1, -1, -1)
    sampled = F.grid_sample(
        expanded, flow, mode="bilinear", padding_mode=padding, align_corners=align_corners
    )
    return sampled.to(image.dtype)


def resize_flow(
    flow: Tensor,  # (B, h, w, 2) in [-1, 1]
    size: tuple[int, int],  # (height, width)
    *,
    align_corners: bool = True,
) -> Tensor:  # (B, height, width, 2)
    """Resample a flow bilinearly; its values are normalised and need no scaling.

    Args:
        flow: backward flows in normalised coordinates.
        size: height and width of the result.
        align_corners: the convention of the flow, as in `warp`.

    Returns:
        The flow at the new size.

    Example:
        >>> from cpabmm_core.geometry import identity_grid
        >>> bool((resize_flow(identity_grid(3, 3)[None], (5, 5)) == identity_grid(5, 5)).all())
        True
    """
    if flow.shape[1:3] == size:
        return flow
    resized = F.interpolate(
        flow.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=align_corners
    )
    return resized.permute(0, 2, 3, 1)
