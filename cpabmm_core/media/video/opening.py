"""Opening a video file for reading.

A file never makes the program open anything else: FFmpeg receives the open file without its name,
reads only the formats of a closed list, may use no protocol, and is refused whatever else it asks
to open.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, NoReturn

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import require_file
from cpabmm_core.media.video.input_formats import FORMAT_WHITELIST
from cpabmm_core.media.video.integrity import check_complete
from cpabmm_core.media.video.library_calls import UnnamedError, library_calls
from cpabmm_core.media.video.not_video import describe_no_video
from cpabmm_core.media.video.unnamed_file import BUFFER_SIZE, UnnamedFile, UnnamedStream

_CLOSED = {
    "format_whitelist": FORMAT_WHITELIST,
    "protocol_whitelist": "none",  # there is no protocol of this name
}
_MICROSECONDS = 1_000_000
"""In a second."""


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading.

    Raises:
        MediaError: the file is missing, unreadable, truncated, no video, or in a format that is not
            on the list; or the library fails on it later, within `library_calls`.
    """
    head = require_file(path, expected="an image or video file")
    if (wrong := describe_no_video(head)) is not None:
        raise MediaError(f"{path}: {wrong[0]}", wrong[1])
    try:
        with library_calls():
            check_complete(path)
            file = path.open("rb")
        with file, open_media(file) as container:
            yield container
    except UnnamedError as error:
        raise MediaError(f"{path}: {error.trouble}", error.cure) from error


def open_media(file: IO[bytes]) -> InputContainer:
    """Open the content of a file within the limits of this module.

    Raises:
        UnnamedError: its format is unknown or not on the list.
    """
    return open_content(UnnamedFile(file))


def open_content(
    content: UnnamedStream, *, analysed: Fraction | None = None, demuxer: str | None = None
) -> InputContainer:
    """Open bytes, in which FFmpeg moves only if they can, within the limits of this module.

    Args:
        content: the bytes.
        analysed: seconds of the content that FFmpeg may read to learn about its streams; about 5 by
            default.
        demuxer: FFmpeg's name of the format, if it is known already; else FFmpeg recognises it.

    Raises:
        UnnamedError: their format is unknown or not on the list.
    """
    extent = {} if analysed is None else {"analyzeduration": str(round(analysed * _MICROSECONDS))}
    with library_calls(_unrecognised):
        try:
            container = av.open(
                content,
                mode="r",
                format=demuxer,
                buffer_size=BUFFER_SIZE,
                container_options=_CLOSED | extent,
                metadata_errors="replace",
                io_open=_refuse_opening,
            )
        except av.FFmpegError as error:
            if error.errno != errno.EINVAL:  # the only hint that the format is not on the list
                raise
            raise _unrecognised("its format is unknown or not supported") from error
        content.end_opening()
        return container


def _refuse_opening(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """Refuse what FFmpeg asks to open while it reads a file."""
    raise UnnamedError("refers to another file or address", "give the video itself")


def _unrecognised(reason: str) -> UnnamedError:
    return UnnamedError(
        f"is not a readable video ({reason})", "give an MP4, MOV, MKV, WebM, AVI or GIF"
    )


def video_stream(container: InputContainer, path: Path | str) -> VideoStream:
    """Return the stream that a player would show; cover pictures of sound files do not count.

    Args:
        container: the open file.
        path: the name of the file, for errors.

    Raises:
        MediaError: there is no such stream, or its codec is unknown.
    """
    with library_calls():
        videos = container.streams.video
        streams = [s for s in videos if not s.disposition & Disposition.attached_pic]
        best = container.streams.best("video")
        has_sound = bool(container.streams.audio)
    if not streams:
        other = ", only sound" if has_sound else ""
        raise MediaError(f"{path}: contains no video{other}; give a video file")
    stream = next((s for s in streams if s is best), streams[0])
    if stream.codec_context is None:
        raise MediaError(f"{path}: its video codec is unknown; convert it to H.264")
    return stream
