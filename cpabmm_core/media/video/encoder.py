"""The encoder of a written video."""

import os
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video.encodable import tag_colours
from cpabmm_core.media.video.formats import VideoFormat
from cpabmm_core.media.video.priority import ordinary_priority

_FATAL_ONLY = ("SVT_LOG", "0")
"""SVT-AV1 prints its settings to stderr, past FFmpeg's log; nothing else can silence it."""


def add_video(
    output: OutputContainer,
    format: VideoFormat,
    size: tuple[int, int],
    frame_rate: Fraction,
    time_base: Fraction,
    path: Path,
) -> VideoStream:
    """Add the stream of the frames to an output and open its encoder.

    Args:
        output: the output, before its header.
        format: encoder, pixel format and options.
        size: width and height of the frames. Those of the stream are even if the codec requires it.
        frame_rate: nominal frames per second.
        time_base: seconds per unit of the timestamps.
        path: the file, for errors.

    Raises:
        MediaError: the encoder accepts no frames of this size.
    """
    stream = output.add_stream(format.codec, frame_rate, options=dict(format.codec_options))
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    extra = 1 if format.even_sizes else 0
    context.width, context.height = (side + side % 2 * extra for side in size)
    context.pix_fmt, context.time_base = format.pixels, time_base
    tag_colours(context)
    if format.tag is not None:
        context.codec_tag = format.tag
    _open(context, size, format.smallest, path)
    return stream


def _open(context: VideoCodecContext, size: tuple[int, int], smallest: int, path: Path) -> None:
    """Open the encoder before the header, to tell what it refuses from trouble with the file."""
    shown = f"{path}: frames of {size[0]} x {size[1]}"
    if min(size) < smallest:
        raise MediaError(
            f"{shown} are too small for the codec; use another codec, or frames of at least "
            f"{smallest} x {smallest}"
        )
    os.putenv(*_FATAL_ONLY)
    try:
        with ordinary_priority():
            context.open()
    except av.FFmpegError as error:
        raise MediaError(
            f"{shown} cannot be encoded ({one_line(error)}); use another size or codec"
        ) from None
