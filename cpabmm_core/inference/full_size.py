"""Rendering larger than the networks do, with the source's own pixels where it is visible."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.warping import resize_flow, warp
from cpabmm_core.inference.transparency import WHITE, Colour, key, unmix
from cpabmm_core.models.dense_motion import Motion

_TOLERANCE = 0.03
"""The root-mean-square difference, in [0, 1], at which a warped source counts 0.6."""
_WINDOW = (0.05448868, 0.24420134, 0.40261995, 0.24420134, 0.05448868)
"""A Gaussian of a standard deviation of 1 pixel."""


def add_detail(
    images: Tensor,  # (B, 3, S, S) in [0, 1]
    motion: Motion,
    image: Tensor,  # (B, 3, S, S), or (1, 3, S, S), in [0, 1]
    large: Tensor,  # (B, 3 or 4, T, T), or batch 1, in [0, 1]
    *,
    matte: Colour = WHITE,
) -> Tensor:  # (B, 3 or 4, T, T) in [0, 1]
    """Enlarge rendered images and restore the detail that the source has at their new size.

    With the images I and the source s that the networks saw, its larger version L, the flow f and
    a weight w, the result is ``up(I) + w (L(f) - up(s(f)))``: the enlarged image, plus what the
    enlarged version of the warped source lacks. The weight is 1 where the image shows the warped
    source, and falls where the generator painted something else. It needs no occlusion map, so this
    works for every generator, also for those that do not blend their output with the warped source.

    Convention:
        `image` and `large` show the same square: their outer *edges* coincide, as after resizing.
        The motion is in the coordinates of `image` and follows `Motion.align_corners`. T may be
        smaller than S.

    Args:
        images: what the generator rendered.
        motion: the motion that it rendered them with.
        image: the source as the networks saw it; one image may serve all poses.
        large: the same source at the size of the result. With a fourth channel, its colours are
            mixed with `matte` and the fourth channel is alpha.
        matte: the colour behind a source with alpha.

    Returns:
        One image per rendered image. If T equals S, the colours are those of `images`. With alpha,
        the colours are no longer mixed with the matte: putting the result on it gives the opaque
        result.

    Example:
        >>> from cpabmm_core.inference.frames import resize
        >>> flow, visible = identity_grid(8, 8)[None], [torch.ones(1, 1, 8, 8)]
        >>> motion = Motion(flow, torch.ones(1, 1, 8, 8), visible, torch.zeros(1, 1, 3, 8, 8))
        >>> large = torch.rand(1, 3, 20, 20)
        >>> image = resize(large, 8)
        >>> torch.allclose(add_detail(image, motion, image, large), large, atol=1e-5)  # at rest
        True
    """
    size, channels = large.shape[-1], large.shape[1]
    if (size, channels) == (images.shape[-1], 3):
        return images
    warped = _warp(images, motion, image)
    full = images.new_empty(len(images), channels, size, size)
    # One image at a time: the intermediate results of a batch of large images fill the memory.
    for number in range(len(images)):
        part = slice(number, number + 1)
        source = large if len(large) == 1 else large[part]
        full[part] = _enlarge(
            images[part], _Warped(*(maps[part] for maps in warped)), source, matte
        )
    return full


class _Warped(NamedTuple):
    """The source in each driving pose, at the networks' size."""

    image: Tensor  # (B, 3, S, S)
    displacement: Tensor  # (B, 2, S, S), the flow minus the identity, where -1 and 1 are edges
    weight: Tensor  # (B, 1, S, S) in [0, 1], how far the rendered image shows it


def _warp(
    images: Tensor,  # (B, 3, S, S)
    motion: Motion,
    image: Tensor,  # (B, 3, S, S), or (1, 3, S, S)
) -> _Warped:
    side, corners = images.shape[-1], motion.align_corners
    flow = resize_flow(motion.deformation, (side, side), align_corners=corners)
    warped = warp(image, flow, padding="border", align_corners=corners)
    rest = identity_grid(side, side, device=flow.device, dtype=flow.dtype)
    # Between the centres of its first and last pixel, an image spans (S - 1) / S of its width.
    to_edges = (side - 1) / side
    displacement = (flow - rest) * to_edges if corners else flow - rest * to_edges
    inside = motion.warp(image.new_ones(1, 1, side, side))
    weight = _agreement(images, warped) * inside
    return _Warped(warped, displacement.permute(0, 3, 1, 2).to(images.dtype), weight)


def _agreement(
    images: Tensor,  # (B, 3, S, S)
    warped: Tensor,  # (B, 3, S, S)
) -> Tensor:  # (B, 1, S, S) in [0, 1]
    """Return 1 where images agree with the warped source in a small window, down to 0."""
    error = (images - warped).square().mean(dim=1, keepdim=True)
    window = error.new_tensor(_WINDOW)
    error = F.pad(error, (2, 2, 2, 2), mode="replicate")
    error = F.conv2d(F.conv2d(error, window.view(1, 1, 1, 5)), window.view(1, 1, 5, 1))
    return (error / (-2 * _TOLERANCE**2)).exp()


def _enlarge(
    images: Tensor,  # (1, 3, S, S)
    warped: _Warped,  # of the same image
    large: Tensor,  # (1, 3 or 4, T, T)
    matte: Colour,
) -> Tensor:  # (1, 3 or 4, T, T)
    size = large.shape[-1]
    small = torch.cat((images, *warped), dim=1)
    resized = F.interpolate(small, (size, size), mode="bicubic", antialias=True)
    rendered, blurred, displacement, weight = resized.split((3, 3, 2, 1), dim=1)
    weight = weight.clamp(0, 1)
    rest = identity_grid(size, size, device=large.device, dtype=large.dtype) * ((size - 1) / size)
    sharp = warp(
        large,
        rest + displacement.permute(0, 2, 3, 1),
        padding="border",
        # Not all supported versions of torch sample bicubically on MPS.
        interpolation="bilinear" if large.device.type == "mps" else "bicubic",
        align_corners=False,
    )
    if size == images.shape[-1]:
        colours = images
    else:
        colours = (rendered + weight * (sharp[:, :3] - blurred)).clamp(0, 1)
    if large.shape[1] == 3:
        return colours
    alpha = weight * sharp[:, 3:].clamp(0, 1) + (1 - weight) * key(colours, matte)
    return unmix(colours, alpha, matte)
