"""Opening what a person names as source and as driving video: files, pipes, folders and cameras."""

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.camera import camera_number
from cpabmm_core.media.camera_device import open_camera
from cpabmm_core.media.clip_types import FolderClip, PictureClip, StackClip, StripClip, is_stack
from cpabmm_core.media.content import is_still
from cpabmm_core.media.image import read_image
from cpabmm_core.media.moving_source import SourceFrames
from cpabmm_core.media.notices import distinct_notices, notify
from cpabmm_core.media.piped import BytePipe, open_pipe
from cpabmm_core.media.strips import count_strip_frames
from cpabmm_core.media.timed_frames import DrivingFrames, StillFrames
from cpabmm_core.media.video import VideoReader

__all__ = ["DrivingFrames", "SourceFrames", "open_driving", "open_source"]

STANDARD_INPUT = "-"
"""The name of standard input. A file of this name is ``./-``."""
_TITLE = "standard input"


def open_driving(name: str | Path, *, stdin: IO[bytes] | None = None) -> DrivingFrames:
    r"""Open the frames that provide the motion, in constant memory.

    Args:
        name: a video, a GIF, WebP, APNG or AVIF sequence, or a still picture, which is one frame; a
            folder of frames in natural order, a strip of square frames, or a TIFF of several pages,
            which have 25 frames per second; a named pipe; ``-`` for standard input; or ``camera:N``
            for a camera, from 0. A pipe is read as it comes, in any of the formats of files;
            pictures and MP4 with the index at the end are stored in a temporary file first. A
            notice (`show_notices`) tells of that, and how an image was read that may be a strip.
        stdin: what ``-`` stands for, unread and binary; ``sys.stdin.buffer`` by default.

    Raises:
        MediaError: there is nothing of this name, or it is unreadable, empty or damaged; or
            OpenCV, which a camera needs, is missing.
        DataError: a folder contains no frames.
        ResourceError: the disk is full.

    Example:
        >>> import io
        >>> from fractions import Fraction
        >>> import numpy as np
        >>> from cpabmm_core.media import open_driving
        >>> head = b"YUV4MPEG2 W4 H2 F30000:1001 C420\n"
        >>> frame = b"FRAME\n" + bytes(8 + 2 + 2)
        >>> with open_driving("-", stdin=io.BytesIO(head + 3 * frame)) as frames:
        ...     frames.width, frames.height, [f.pts * frames.time_base for f in frames][-1]
        (4, 2, Fraction(1001, 15000))
    """
    number = camera_number(str(name))
    if number is not None:
        return open_camera(number)
    return _open(str(name), stdin, alpha=False)


def open_source(
    name: str | Path, *, alpha: bool = False, stdin: IO[bytes] | None = None
) -> SourceFrames:
    """Open what is animated: a picture, or a video, each frame of which is animated at its time.

    Args:
        name: as for `open_driving`, but no camera. An animation or a video of one frame is a
            picture.
        alpha: whether to keep transparency, as `read_image` does. All frames of a moving source
            then have four channels if its format has transparency.
        stdin: what ``-`` stands for, unread and binary; ``sys.stdin.buffer`` by default.

    Raises:
        MediaError: there is nothing of this name, or it is unreadable, empty or damaged.
        DataError: a folder contains no frames.
        ResourceError: the disk is full.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import open_source, write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(f"{folder}/face.png", np.zeros((4, 6, 3), dtype=np.uint8))
        ...     with open_source(f"{folder}/face.png") as source:
        ...         source.first.shape, source.is_moving
        ((4, 6, 3), False)
    """
    with distinct_notices(), ExitStack() as stack:
        source = SourceFrames(stack.enter_context(_open(str(name), stdin, alpha=alpha)))
        stack.pop_all()
    return source


def _open(name: str, stdin: IO[bytes] | None, *, alpha: bool) -> DrivingFrames:
    open_file = partial(_open_path, alpha=alpha)
    if name == STANDARD_INPUT:
        return open_pipe(BytePipe(_standard_input(stdin), _TITLE), open_file, alpha=alpha)
    path = Path(name)
    if _is_pipe(path):
        try:
            stream = path.open("rb", buffering=0)
        except OSError as error:
            raise MediaError(f"{name}: cannot be opened ({one_line(error)})") from None
        return open_pipe(BytePipe(stream, name, owns=True), open_file, alpha=alpha)
    return _open_path(path, alpha=alpha)


def _is_pipe(path: Path) -> bool:
    try:
        return path.is_fifo()
    except (OSError, ValueError):  # opening the path reports what is wrong with it
        return False


def _standard_input(stdin: IO[bytes] | None) -> IO[bytes]:
    stream = stdin if stdin is not None else getattr(sys.stdin, "buffer", None)
    if stream is None or stream.closed:
        raise MediaError(f"{_TITLE}: is closed", "pipe a video into it, or give a file")
    if stream.isatty():
        raise MediaError(f"{_TITLE}: is a terminal", "pipe a video into it, or give a file")
    return stream


def _open_path(path: Path, *, alpha: bool) -> DrivingFrames:
    try:
        path.stat()
    except (OSError, ValueError):
        return VideoReader(path, alpha=alpha)  # raises an error with the reason
    if path.is_dir():
        return StillFrames(FolderClip(path, alpha=alpha), path)
    if not is_still(path):
        return VideoReader(path, alpha=alpha)
    if is_stack(path):
        return StillFrames(StackClip(path, alpha=alpha), path)
    image = read_image(path, alpha=alpha)
    if _is_strip(image, path):
        return StillFrames(StripClip(path, alpha=alpha), path)
    return StillFrames(PictureClip(image, path), path)


def _is_strip(image: Frame, path: Path) -> bool:
    """Return whether a picture is a strip of frames; tell how it is read if it looks like one."""
    height, width = image.shape[:2]
    if width % height or width < 2 * height:
        return False
    count = count_strip_frames(image)
    if count > 1:
        notify(f"{path}: read as a strip of {count} frames, as its squares resemble each other")
    else:
        notify(
            f"{path}: read as one picture, not as a strip, as its {width // height} squares do not "
            "resemble each other"
        )
    return count > 1
