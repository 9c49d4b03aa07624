"""Recognition of a file by its content, whatever its suffix."""

from pathlib import Path

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import is_image
from cpabmm_core.media.pictures import is_animated
from cpabmm_core.media.suffixes import IMAGE_SUFFIXES
from cpabmm_core.media.video.reader import VideoReader

_GIF = b"GIF8"


def is_still(path: Path) -> bool:
    """Return whether a file is a still picture, such as a strip or a stack, rather than a video.

    Animated pictures are videos, and so is every GIF. Content that is neither picture nor video has
    what its suffix promises, so that its reader reports it as such. A file that is missing or
    cannot be opened is no picture; opening it as a video reports why.
    """
    head = _head(path)
    if head in (None, _GIF):
        return False
    if is_image(path):
        return not is_animated(path)
    return path.suffix.lower() in IMAGE_SUFFIXES and not _has_video(path)


def is_gif(path: Path) -> bool:
    """Return whether a file is a GIF; False for one that cannot be opened."""
    return _head(path) == _GIF


def has_frames(path: Path) -> bool:
    """Return whether a file is a picture or a video that can be opened."""
    if not path.is_file():
        return False
    return is_still(path) or _has_video(path)


def _head(path: Path) -> bytes | None:
    """Return the first bytes of a file; None for one that cannot be opened and for a pipe."""
    if not path.is_file():  # opening a pipe would wait for its other end
        return None
    try:
        with path.open("rb") as file:
            return file.read(len(_GIF))
    except OSError:
        return None


def _has_video(path: Path) -> bool:
    """Return whether the first frame of a video can be decoded."""
    try:
        with VideoReader(path):
            return True
    except (MediaError, OSError):
        return False
