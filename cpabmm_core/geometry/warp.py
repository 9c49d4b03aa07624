"""Sampling of images and feature maps along a backward flow."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor


def warp(
    image: Tensor,  # (B, C, H, W), or (1, C, H, W) for one image seen by every flow
    flow: Tensor,  # (B, h, w, 2) in [-1, 1]
    *,
    padding: Literal["zeros", "border", "reflection"] = "zeros",
    align_corners: bool = True,
) -> Tensor:  # (B, C, h, w)
    """Sample the image where the flow says: ``out[y, x] = image(flow[y, x])``.

    Convention: the flow is a backward map, (x, y) with align_corners=True, one position in `image`
    for each output pixel. Bilinear; differentiable in both arguments. Sampling runs in the flow's
    precision, the result has the image's. With align_corners=False -1 and 1 are the outer edges of
    the first and last pixel, as in the code that FOMM's and MRAA's published models run in.
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
    """Resample a flow bilinearly; its values are normalised, so they need no scaling."""
    if flow.shape[1:3] == size:
        return flow
    resized = F.interpolate(
        flow.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=align_corners
    )
    return resized.permute(0, 2, 3, 1)
