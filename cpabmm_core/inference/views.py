"""What an animation shows: the result alone, side by side with its inputs, or with the motion."""

import numpy as np

from cpabmm_core.arrays import Frame
from cpabmm_core.inference.animated_frame import AnimatedFrame
from cpabmm_core.inference.frames import to_frames
from cpabmm_core.inference.motion_panels import (
    contribution_legend,
    contribution_panel,
    flow_panel,
    keypoint_panel,
    occlusion_panel,
    resized,
    warped_panel,
)
from cpabmm_core.inference.transparency import WHITE, on_matte
from cpabmm_core.visualize import Picture, side_by_side
from cpabmm_core.visualize.text import text_line

_RGB = 3
_GAP = 4  # pixels between pictures
_WHITE = 255
_LINE_SHARE = 0.1  # height of a line of text as a share of a picture's
_LOWEST_LINE, _HIGHEST_LINE = 16, 44  # pixels
_PANEL, _LARGE_PANEL = 192, 256
"""Side of a panel in pixels, and that for models or sources with more pixels than the former."""
_WIDEST = 2.0  # proportions of the result beside the panels; a wider one is shown lower


def result(frame: AnimatedFrame) -> Frame:  # (H, W, 3 or 4)
    """Show the result alone.

    Args:
        frame: the frame.

    Returns:
        Its image, with the channels that it has.

    Example:
        >>> from cpabmm_core import Animator, load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = load_model("puppets", device="cpu")
        >>> frames = render_puppet(seed=7, index=0, split="test", frames=2, size=96).frames
        >>> animator = Animator(model, view=result)
        >>> [picture.shape for picture in animator.animate(frames[0], frames)]
        [(96, 96, 3), (96, 96, 3)]
    """
    return frame.image


def compare_view(frame: AnimatedFrame) -> Frame:  # (H', W', 3)
    """Show source, driving frame and result side by side, with titles.

    All three have the height of the result. The source is cut, pasted back or resized like the
    result. Transparent parts are white. Without a picture of the driving frame, its keypoints are
    shown.

    Args:
        frame: the frame; it is not changed.

    Returns:
        A picture with an even number of rows and columns.

    Example:
        >>> from cpabmm_core import Animator, load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = load_model("puppets", device="cpu")
        >>> frames = render_puppet(seed=7, index=0, split="test", frames=2, size=96).frames
        >>> animator = Animator(model, view=compare_view)
        >>> [picture.shape for picture in animator.animate(frames[0], frames)]
        [(112, 296, 3), (112, 296, 3)]
    """
    moved = opaque(frame.image)
    height = moved.shape[0]
    driving = frame.driving
    if driving is None:
        driving = keypoint_panel(None, frame.driving_keypoints, frame.groups, height)
    pictures = {
        "Source": opaque(frame.finish(frame.source)),
        "Driving": frame.uncover(driving),
        "Result": moved,
    }
    line = _line_height(height)
    columns = [
        _titled(_of_height(picture, height), title, line) for title, picture in pictures.items()
    ]
    return _even(side_by_side(columns, gap=_GAP))


def visual_view(frame: AnimatedFrame) -> Frame:  # (H', W', 3)
    """Show the result beside the motion that it was rendered with.

    The upper row of panels shows what the model sees, source and driving frame with their
    keypoints, and the source warped by the flow. The lower row shows the flow, the contribution
    maps and the occlusion map. In the flow, the hue is the direction in which a part has moved, and
    white is at rest. In the contributions, each candidate motion has the colour of its keypoints;
    the background is grey, and a global candidate white.

    Args:
        frame: the frame; it is not changed.

    Returns:
        A picture with an even number of rows and columns.

    Example:
        >>> from cpabmm_core import Animator, load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> model = load_model("puppets", device="cpu")
        >>> frames = render_puppet(seed=7, index=0, split="test", frames=2, size=96).frames
        >>> animator = Animator(model, view=visual_view)
        >>> [picture.shape for picture in animator.animate(frames[0], frames)]
        [(446, 1022, 3), (446, 1022, 3)]
    """
    source, motion = opaque(frame.source), frame.rendered.motion
    side = _PANEL if source.shape[0] <= _PANEL else _LARGE_PANEL
    image = opaque(to_frames(frame.rendered.images)[0])
    upper = {
        "Source": keypoint_panel(source, frame.source_keypoints, frame.groups, side),
        "Driving": keypoint_panel(frame.driving, frame.driving_keypoints, frame.groups, side),
        "Warped source": warped_panel(source, motion, side),
    }
    lower = {
        "Flow": flow_panel(motion, image, side),
        "Contributions": contribution_panel(motion, image, frame.groups, side),
        "Occlusion": occlusion_panel(motion, side),
    }
    line = _line_height(side)
    rows = [
        side_by_side([_titled(panel, title, line) for title, panel in row.items()], gap=_GAP)
        for row in (upper, lower)
    ]
    panels = np.concatenate([*rows, _legends(motion.contribution_maps.shape[1], frame, side)])
    large = _titled(_fitting(opaque(frame.image), panels.shape[0] - line), "Result", line)
    return _even(side_by_side([large, panels], gap=3 * _GAP))


def _legends(candidates: int, frame: AnimatedFrame, side: int) -> Picture:
    """Explain the panels of the lower row, each below its panel."""
    line = _line_height(side)
    legends = [
        text_line("hue: direction, white: at rest", side, line),
        contribution_legend(candidates, frame.groups, side, line),
        text_line("white: visible, black: filled in", side, line),
    ]
    return np.pad(
        side_by_side(legends, gap=_GAP), ((_GAP, 0), (0, 0), (0, 0)), constant_values=_WHITE
    )


def opaque(picture: Frame) -> Frame:  # (H, W, 3)
    """Put the transparent parts of a picture on white."""
    return picture if picture.shape[2] == _RGB else on_matte(picture, WHITE)


def _line_height(height: int) -> int:
    """Return the height of a line of text above a picture of some height, in pixels."""
    return min(max(round(_LINE_SHARE * height), _LOWEST_LINE), _HIGHEST_LINE)


def _titled(picture: Picture, title: str, line: int) -> Picture:
    """Put a line of text above a picture."""
    return np.concatenate([text_line(title, picture.shape[1], line), picture])


def _of_height(picture: Picture, height: int) -> Picture:
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    return resized(picture, width, height)


def _fitting(picture: Picture, height: int) -> Picture:
    """Resize a picture to a height; a very wide one gets white above and below instead."""
    width = min(round(picture.shape[1] * height / picture.shape[0]), round(_WIDEST * height))
    width = max(width, 1)
    lower = min(height, max(1, round(picture.shape[0] * width / picture.shape[1])))
    above = (height - lower) // 2
    padding = ((above, height - lower - above), (0, 0), (0, 0))
    return np.pad(resized(picture, width, lower), padding, constant_values=_WHITE)


def _even(picture: Picture) -> Picture:
    """Add a white row or column where their number is odd, as video codecs need even ones."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), constant_values=_WHITE)
