"""Conversion of RGB and RGBA arrays to the frames that video encoders accept."""

from typing import Any

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame as AvFrame
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from cpabmm_core.arrays import Frame
from cpabmm_core.media.video.display import ONE_THREAD

# Readers that ignore the tags assume BT.601, so this matrix is right for all of them.
_MATRIX_BT601 = 6
_TRANSFER_AND_PRIMARIES_BT709 = 1
_OPAQUE = 255
_HALF_OPAQUE = 128


def tag_colours(context: VideoCodecContext) -> None:
    """Set the tags for the colour coding of `to_coded_frame`, if the format codes colours."""
    if not context.pix_fmt or not context.pix_fmt.startswith("yuv"):
        return
    context.colorspace = _MATRIX_BT601
    context.color_primaries = context.color_trc = _TRANSFER_AND_PRIMARIES_BT709
    context.color_range = ColorRange.MPEG


def to_coded_frame(
    image: Frame,  # (H, W, 3 or 4)
    width: int,
    height: int,
    pixels: str,
) -> AvFrame:
    """Convert to a frame of a pixel format without a palette.

    Args:
        image: RGB, or RGBA for a format with transparency.
        width: width of the frame; the last column is repeated up to it.
        height: height of the frame; the last row is repeated up to it.
        pixels: FFmpeg's name of the format: RGB, or YUV with the matrix of BT.601.
    """
    pad = (height - image.shape[0], width - image.shape[1])
    image = np.pad(image, ((0, pad[0]), (0, pad[1]), (0, 0)), mode="edge")
    frame = AvFrame.from_ndarray(image, format="rgba" if image.shape[2] == 4 else "rgb24")
    options: dict[str, Any] = {"format": pixels, **ONE_THREAD}
    if pixels.startswith("yuv"):
        options |= {"dst_colorspace": Colorspace.ITU601, "dst_color_range": ColorRange.MPEG}
    return frame.reformat(**options)


def to_palette_frame(
    image: Frame,  # (H, W, 3 or 4)
    colours: int = 256,
) -> AvFrame:
    """Convert to a frame with its own palette.

    Args:
        image: RGB or RGBA. A pixel of an RGBA image is transparent if it is less than half opaque.
        colours: the largest number of colours; of an RGBA image, one of them is transparent.
    """
    hidden = image[..., 3] < _HALF_OPAQUE if image.shape[2] == 4 else None
    visible = np.ascontiguousarray(image[..., :3])
    if hidden is not None:
        visible[hidden] = 0  # what cannot be seen needs no colours
        colours -= 1
    indexed = Image.fromarray(visible).quantize(colours)
    listed = np.array(indexed.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    palette = np.full((256, 4), _OPAQUE, dtype=np.uint8)  # alpha first
    palette[: len(listed), 1:] = listed
    indices = np.array(indexed)
    if hidden is not None:
        palette[colours] = 0
        indices[hidden] = colours
    pair: Any = (indices, palette)  # missing from the stub
    return AvFrame.from_ndarray(pair, format="pal8")


def with_alpha(
    image: Frame,  # (H, W, 3 or 4)
) -> Frame:
    """Return an image as RGBA; an RGB image is opaque."""
    if image.shape[2] == 4:
        return image
    return np.pad(image, ((0, 0), (0, 0), (0, 1)), constant_values=_OPAQUE)
