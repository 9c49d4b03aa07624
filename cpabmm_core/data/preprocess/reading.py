"""Reading a video while clips are written, with distinct errors for reading and writing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import VideoFrame, VideoReader


class UnreadableVideoError(Exception):
    """A video cannot be read, or not beyond some frame. The message gives the reason."""


@contextmanager
def open_video(source: Path) -> Iterator[VideoReader]:
    """Open a video.

    Raises:
        UnreadableVideoError: the video cannot be opened.
    """
    try:
        reader = VideoReader(source)
    except MediaError as error:
        raise UnreadableVideoError(str(error)) from None
    with reader:
        yield reader


def read_frames(reader: VideoReader) -> Iterator[VideoFrame]:
    """Iterate over the frames of a video. Errors raised in the body of the loop are unchanged.

    Raises:
        UnreadableVideoError: the video is damaged from here on.
    """
    try:
        yield from reader
    except MediaError as error:
        raise UnreadableVideoError(str(error)) from None
