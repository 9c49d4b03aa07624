"""Opening a video file for reading."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.media.video.integrity import check_complete


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading.

    FFmpeg receives the open file, so it never interprets a name as a protocol or a pattern.

    Raises:
        MediaError: the file is missing, unreadable, truncated or of an unknown format.
    """
    require_file(path, expected="an image or video file")
    check_complete(path)
    with path.open("rb") as file:
        try:
            container = av.open(file, mode="r", metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"{path}: is not a readable video ({one_line(error)}); "
                "give an MP4, MOV, MKV, WebM, AVI or GIF"
            ) from None
        with container:
            yield container


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream that a player would show; cover pictures of sound files do not count.

    Raises:
        MediaError: there is no such stream, or its codec is unknown.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError(f"{path}: contains no video; give a video file")
    best = container.streams.best("video")
    stream = next((s for s in streams if s is best), streams[0])
    if stream.codec_context is None:
        raise MediaError(f"{path}: its video codec is unknown; convert it to H.264")
    return stream
