"""Rendering larger than the networks do, with the source's own pixels where it is visible."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.warping import resize_flow, warp
from cpabmm_core.inference.blur import gaussian_blur
from cpabmm_core.inference.transparency import WHITE, Colour, key, unmix
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.fast.lanes import in_lanes

_TOLERANCE = 0.02
"""The root-mean-square difference of blurred images, in [0, 1], at which the weight is 0.6."""
_BLUR = 2.0
"""Standard deviation of the blur, in pixels of the networks' size."""
_WINDOW = 13
"""Size of the blur's window: three standard deviations on each side."""


def add_detail(
    images: Tensor,  # (B, 3, S, S) in [0, 1]
    motion: Motion,
    image: Tensor,  # (B, 3, S, S), or (1, 3, S, S), in [0, 1]
    large: Tensor,  # (B, 3 or 4, T, T), or batch 1, in [0, 1]
    *,
    matte: Colour = WHITE,
) -> Tensor:  # (B, 3 or 4, T, T) in [0, 1]
    """Enlarge rendered images and restore the detail that the source has at their new size.

    With the images I, the larger source L and the flow f, the result is that of blending two
    pyramids of images: ``I + w ((s - I) - blur(s - I))``, enlarged, for the scales that the
    networks see, where s is the source that they saw, warped by f. For the finer scales,
    ``w (L(f) - enlarge(s))``. Coarse scales are always those of I. The weight w is 1 where I and s
    agree in these, whether the generator copied the source there or painted it again less sharply,
    and falls to 0 where it painted something else. Occlusion maps play no part, so this works for
    every generator, also for those that do not blend their output with the warped source.

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
    batch = _restore(images, motion, image)
    full = images.new_empty(len(images), channels, size, size)

    def enlarge(numbers: slice) -> None:
        # One image at a time: the intermediate results of a batch of large images fill the memory.
        for number in range(*numbers.indices(len(images))):
            part = slice(number, number + 1)
            source = large if len(large) == 1 else large[part]
            colours, weight, sharp = _enlarge(_Small(*(maps[part] for maps in batch)), source)
            if size == images.shape[-1]:
                colours = images[part]
            if channels == 4:
                alpha = sharp[:, 3:].lerp(key(colours, matte), 1 - weight)
                colours = unmix(colours, alpha, matte)
            full[part] = colours

    in_lanes(enlarge, len(images), images.device)
    return full


class _Small(NamedTuple):
    """Maps at the networks' size, one per driving pose."""

    images: Tensor  # (B, 3, S, S), with the warped source's fine scales
    warped: Tensor  # (B, 3, S, S), the warped source
    displacement: Tensor  # (B, 2, S, S), the flow minus the identity, where -1 and 1 are edges
    weight: Tensor  # (B, 1, S, S) in [0, 1], how far the image shows the warped source


def _restore(
    images: Tensor,  # (B, 3, S, S)
    motion: Motion,
    image: Tensor,  # (B, 3, S, S), or (1, 3, S, S)
) -> _Small:
    """Restore the detail that the networks saw, and compute what the finer detail needs."""
    side, corners = images.shape[-1], motion.align_corners
    height, width = motion.deformation.shape[1:3]
    displacement = motion.deformation - _rest(height, width, images, align_corners=corners)
    # Other than a flow with coordinates of edges, its displacement can be resized up to the border.
    displacement = resize_flow(displacement, (side, side), align_corners=corners)
    flow = _rest(side, side, images, align_corners=corners) + displacement
    warped = warp(image, flow, padding="border", align_corners=corners)
    missing = warped - images
    window = min(_WINDOW, 2 * side - 1)
    coarse = gaussian_blur(missing, _BLUR, window)
    error = coarse.square().mean(dim=1, keepdim=True)
    # There is no source pixel to show outside the source.
    inside = warp(torch.ones_like(images[:, :1]), flow, align_corners=corners)
    weight = (error / (-2 * _TOLERANCE**2)).exp() * inside
    if corners:  # Between the centres of its outer pixels, an image spans (S - 1) / S of its width.
        displacement = displacement * ((side - 1) / side)
    return _Small(
        images + weight * (missing - coarse), warped, displacement.permute(0, 3, 1, 2), weight
    )


def _rest(height: int, width: int, like: Tensor, *, align_corners: bool) -> Tensor:  # (h, w, 2)
    """Return the flow that leaves an image unchanged, in either convention."""
    grid = identity_grid(height, width, device=like.device, dtype=like.dtype)
    if align_corners:
        return grid
    return grid * grid.new_tensor([(width - 1) / width, (height - 1) / height])


def _enlarge(
    small: _Small,  # of one pose
    large: Tensor,  # (1, 3 or 4, T, T)
) -> tuple[Tensor, Tensor, Tensor]:  # (1, 3, T, T), (1, 1, T, T), (1, 3 or 4, T, T)
    """Return the image and the weight at full size, and the warped larger source."""
    size = large.shape[-1]
    resized = F.interpolate(torch.cat(small, dim=1), (size, size), mode="bicubic", antialias=True)
    rendered, blurred, displacement, weight = resized.split((3, 3, 2, 1), dim=1)
    weight = weight.clamp(0, 1)
    flow = _rest(size, size, large, align_corners=False) + displacement.permute(0, 2, 3, 1)
    # Bilinear: bicubic sampling is sharper, but what moved to a wrong place counts twice then. On
    # the puppets of the benchmark, PSNR fell by 0.2 dB.
    sharp = warp(large, flow, padding="border", align_corners=False)
    return (rendered + weight * (sharp[:, :3] - blurred)).clamp(0, 1), weight, sharp
