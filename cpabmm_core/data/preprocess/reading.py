"""Reading a video while writing clips: whose error was it?"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import VideoFrame, VideoReader


class UnreadableVideoError(Exception):
    """A video cannot be read, or not any further; says why."""


@contextmanager
def open_video(source: Path) -> Iterator[VideoReader]:
    """Open a video.

    Raises:
        UnreadableVideoError: that is not possible.
    """
    try:
        reader = VideoReader(source)
    except MediaError as error:
        raise UnreadableVideoError(str(error)) from None
    with reader:
        yield reader


def read_frames(reader: VideoReader) -> Iterator[VideoFrame]:
    """The frames of a video; errors of what is done with them meanwhile stay what they are.

    Raises:
        UnreadableVideoError: it is damaged from here on.
    """
    try:
        yield from reader
    except MediaError as error:
        raise UnreadableVideoError(str(error)) from None
