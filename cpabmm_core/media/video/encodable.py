"""Conversion of RGB arrays to the frames that video encoders accept."""

from typing import Any

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame as AvFrame
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from cpabmm_core.arrays import Frame

# Readers that ignore the tags assume BT.601, so this matrix is right for all of them.
_MATRIX_BT601 = 6
_TRANSFER_AND_PRIMARIES_BT709 = 1


def tag_colours(context: VideoCodecContext) -> None:
    """Set the tags for the colour coding of `to_yuv_frame`."""
    context.colorspace = _MATRIX_BT601
    context.color_primaries = context.color_trc = _TRANSFER_AND_PRIMARIES_BT709
    context.color_range = ColorRange.MPEG


def to_yuv_frame(
    image: Frame,  # (H, W, 3)
    width: int,
    height: int,
) -> AvFrame:
    """Convert to a yuv420p frame; the last row and column are repeated up to the given size."""
    pad = (height - image.shape[0], width - image.shape[1])
    image = np.pad(image, ((0, pad[0]), (0, pad[1]), (0, 0)), mode="edge")
    return AvFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
    )


def to_palette_frame(
    image: Frame,  # (H, W, 3)
) -> AvFrame:
    """Convert to a frame with its own palette of 256 colours."""
    indexed = Image.fromarray(image).quantize(256)
    colours = np.array(indexed.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    palette = np.full((256, 4), 255, dtype=np.uint8)  # alpha first
    palette[: len(colours), 1:] = colours
    pair: Any = (np.asarray(indexed), palette)  # missing from the stub
    return AvFrame.from_ndarray(pair, format="pal8")
