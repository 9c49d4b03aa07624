"""Opening whatever comes through a pipe: a video as it comes, anything else as a file."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import describe_wrong_content, one_line
from cpabmm_core.media.notices import notify
from cpabmm_core.media.pictures import is_picture, picture_format
from cpabmm_core.media.piped.byte_pipe import BytePipe
from cpabmm_core.media.piped.jpeg_stream import is_jpeg_stream
from cpabmm_core.media.piped.mp4_order import has_late_index
from cpabmm_core.media.piped.picture_sequence import PictureSequence, is_sequence
from cpabmm_core.media.piped.piped_frames import PipedFrames
from cpabmm_core.media.piped.spool import spooled
from cpabmm_core.media.piped.stored_frames import StoredFrames
from cpabmm_core.media.timed_frames import DrivingFrames
from cpabmm_core.media.video.not_video import describe_no_video

_HEAD = 512
_NEEDS_SEEKING = (
    (b"\xb7\xd8\x00\x20\x37\x49\xda\x11", "a Windows television recording"),
    (b"\x06\x0e\x2b\x34", "an MXF"),
    (b"CI\x2c\x00", "a Phantom Cine"),
)
"""The beginnings of videos that FFmpeg reads only, or only rightly, with jumps to other places."""


def open_pipe(
    pipe: BytePipe, open_file: Callable[[Path], DrivingFrames], *, alpha: bool = False
) -> DrivingFrames:
    """Open what comes through a pipe.

    A video is read as it comes, and so are pictures that follow each other. A single picture is
    stored in a temporary file, and so is a video that can only be read when all of it is there; a
    notice tells of that.

    Args:
        pipe: the pipe, of which nothing has been read; the result closes it.
        open_file: opens a file.
        alpha: whether to keep the transparency of a video that has some.

    Raises:
        MediaError: the content is empty, neither a video nor a picture, or damaged.
        ResourceError: the disk is full.
    """
    with ExitStack() as stack:
        stack.enter_context(pipe)
        try:
            head = _checked_head(pipe)
            kind = picture_format(head)
            must_store = _must_store(pipe, head)
            is_one_of_many = must_store and kind is not None and is_sequence(pipe, kind)
        except OSError as error:
            raise MediaError(
                f"{pipe.name}: cannot be read ({one_line(error)})", "pipe a video into it"
            ) from None
        pipe.raise_interrupt()
        stack.pop_all()
    if kind is not None and is_one_of_many:
        return PictureSequence(pipe, kind, alpha=alpha)
    if not must_store:
        # FFmpeg recognises Motion JPEG only after a megabyte of it.
        return PipedFrames(pipe, alpha=alpha, demuxer="mjpeg" if kind == "JPEG" else None)
    with ExitStack() as stack:
        path = stack.enter_context(spooled(pipe))
        return StoredFrames(pipe.name, path, open_file, stack.pop_all())


def _checked_head(pipe: BytePipe) -> bytes:
    """Return the first bytes of a pipe, unless they are certainly no video and no picture."""
    head = bytes(pipe.peek(_HEAD)[:_HEAD])
    wrong = describe_wrong_content(head)
    if wrong is None and not is_picture(head):
        wrong = describe_no_video(head)
    if wrong is not None and not pipe.is_stopped:
        cure = wrong[1] if head else "check the program that writes it"
        raise MediaError(f"{pipe.name}: {wrong[0]}", cure)
    return head


def _must_store(pipe: BytePipe, head: bytes) -> bool:
    """Return whether all of a pipe is needed to read it; tell that a video has to be stored."""
    if is_picture(head):
        return picture_format(head) != "GIF" and not is_jpeg_stream(pipe, head)
    kind = next((kind for start, kind in _NEEDS_SEEKING if head.startswith(start)), None)
    if kind is None and has_late_index(pipe):
        kind = "an MP4 with its index at the end"
    if kind is not None:
        notify(
            f"{pipe.name}: is {kind}, which cannot be read as it comes; storing all of it in a "
            "temporary file first"
        )
    return kind is not None
