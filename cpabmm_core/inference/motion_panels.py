"""Square pictures of one frame's keypoints, flow, contribution maps and occlusion map."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from cpabmm_core.arrays import Floats
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.local_affine import positions
from cpabmm_core.inference.frames import to_frames
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.visualize import (
    Picture,
    candidate_colours,
    overlay_keypoints,
    plot_contributions,
    plot_flow,
    plot_flow_wheel,
)
from cpabmm_core.visualize.text import text_line

_STRONGEST = 0.5
"""The movement with the strongest colour; the frame's side is 2. One value for all frames, so that
colours do not flicker."""
_RADII_PER_SIDE = 56  # a panel's side divided by the radius of a keypoint
_WHEEL_SHARE, _RIM = 0.22, 3  # the wheel's share of a panel's side, and the white around it
_LEAST_LABEL = 9  # pixels that a label needs
_DARK = 420  # sum of red, green and blue below which letters on a colour are white
_OUTLINE = 205  # grey level
_BLANK = 32  # grey level below keypoints without a picture
_GREY_SHARE = 0.35  # how far dark parts of the picture darken the colours of the flow


def keypoint_panel(
    image: Picture | None,  # (side', side', 3)
    keypoints: Tensor,  # (N, 2 or 6) in [-1, 1]
    groups: int | None,
    side: int,
) -> Picture:  # (side, side, 3)
    """Show keypoints on a picture; without one, on dark grey."""
    if image is None:
        base = np.full((side, side, 3), _BLANK, np.uint8)
    else:
        base = resized(image, side, side)
    points = positions(keypoints).float().cpu().numpy()
    return overlay_keypoints(base, points, groups=groups, radius=side / _RADII_PER_SIDE)


def warped_panel(
    source: Picture,  # (side', side', 3)
    motion: Motion,  # of one pose
    side: int,
) -> Picture:  # (side, side, 3)
    """Show the source warped by the flow, without what the generator fills in."""
    image = torch.from_numpy(resized(source, side, side)).movedim(-1, 0)[None] / 255
    return to_frames(motion.warp(image.to(motion.deformation)))[0]


def flow_panel(
    motion: Motion,  # of one pose
    image: Picture,  # (side', side', 3), in that pose
    side: int,
) -> Picture:  # (side, side, 3)
    """Show how everything has moved as colours, faintly over the image, with their legend."""
    flow = motion.deformation.float()
    # The flow is a backward map: what is at x in the image comes from flow(x).
    movement = identity_grid(*flow.shape[1:3], device=flow.device) - flow
    across = _enlarged(movement.movedim(-1, 1), side).transpose(1, 2, 0)
    colours = plot_flow(across, _STRONGEST)
    grey = resized(image, side, side).mean(axis=-1, keepdims=True) / 255
    panel: Picture = np.rint(colours * (1 - _GREY_SHARE * (1 - grey))).astype(np.uint8)
    wheel = plot_flow_wheel(round(_WHEEL_SHARE * side))
    inset = np.pad(wheel, ((_RIM, _RIM), (_RIM, _RIM), (0, 0)), constant_values=255)
    panel[-inset.shape[0] :, -inset.shape[1] :] = inset
    return panel


def contribution_panel(
    motion: Motion,  # of one pose
    image: Picture,  # (side', side', 3), in that pose
    groups: int | None,
    side: int,
) -> Picture:  # (side, side, 3)
    """Show which candidate motions contribute where, over the image."""
    weights = _enlarged(motion.contribution_maps.float(), side)
    return plot_contributions(weights, groups=groups, image=resized(image, side, side))


def occlusion_panel(
    motion: Motion,  # of one pose
    side: int,
) -> Picture:  # (side, side, 3)
    """Show the finest occlusion map: white where the source is visible, black elsewhere."""
    visible = _enlarged(motion.occlusion_maps[-1].float(), side)[0]
    panel: Picture = np.rint(np.clip(visible, 0, 1) * 255).astype(np.uint8)
    for edge in (panel[0], panel[-1], panel[:, 0], panel[:, -1]):
        edge[:] = _OUTLINE  # a white map would have no shape on white
    return np.repeat(panel[..., None], 3, axis=-1)


def contribution_legend(
    candidates: int,
    groups: int | None,
    width: int,
    height: int,
) -> Picture:  # (height, width, 3)
    """Show the colour of every candidate: the background, the groups by number, a global one."""
    colours = candidate_colours(candidates, groups)
    legend = np.full((height, width, 3), 255, np.uint8)
    edges = np.rint(np.linspace(0, width + 1, candidates + 1)).astype(int)
    for index, colour in enumerate(colours):
        left, right = edges[index], max(edges[index + 1] - 1, edges[index] + 1)
        legend[:, left:right] = colour
        if right - left >= _LEAST_LABEL:
            label = _label(index, candidates, groups)
            letters = (255, 255, 255) if sum(colour) < _DARK else (0, 0, 0)
            legend[:, left:right] = text_line(
                label, right - left, height, colour=letters, background=colour
            )
    return legend


def _label(index: int, candidates: int, groups: int | None) -> str:
    if index == 0:
        return "bg"
    return "all" if groups is not None and index > groups else str(index)


def resized(image: Picture, width: int, height: int) -> Picture:
    """Resize a picture by antialiased bicubic interpolation."""
    if image.shape[:2] == (height, width):
        return image
    picture = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(picture)


def _enlarged(
    maps: Tensor,  # (1, C, h, w)
    side: int,
) -> Floats:  # (C, side, side)
    large = F.interpolate(maps, (side, side), mode="bilinear", antialias=True)
    enlarged: Floats = large[0].cpu().numpy()
    return enlarged
