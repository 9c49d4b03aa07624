"""Sequential reading of any clip, with timestamps."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from cpabmm_core.errors import DataError
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.media.clips import Clip, open_clip
from cpabmm_core.media.content import is_still
from cpabmm_core.media.video import VideoFrame, VideoReader
from cpabmm_core.progress import StatusCallback

_RATE = Fraction(25)
_READ_AT_ONCE = 16


class StillFrames:
    """Images without timestamps, shown at 25 frames per second; iterable like a `VideoReader`.

    Args:
        clip: the images.
    """

    frame_rate = _RATE
    """Frames per second."""
    time_base = 1 / _RATE
    """Seconds per unit of the timestamps."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip

    def __iter__(self) -> Iterator[VideoFrame]:
        count = len(self._clip)
        for start in range(0, count, _READ_AT_ONCE):
            indices = range(start, min(start + _READ_AT_ONCE, count))
            for index, image in zip(indices, self._clip.read(indices), strict=True):
                yield VideoFrame(image, index, 1)


TimedFrames = VideoReader | StillFrames
"""An iterable of `VideoFrame` with the attributes `frame_rate` and `time_base`."""


def open_frames(path: Path) -> TimedFrames:
    """Open a clip to read its frames in order, in constant memory.

    Args:
        path: anything that `open_clip` opens, or any other video that FFmpeg reads.

    Returns:
        An iterable of `VideoFrame` with the attributes `frame_rate` and `time_base`. A strip, a
        stack and a folder of frames have 25 frames per second.

    Raises:
        MediaError: a video is missing, unreadable or damaged.
        DataError: an image is neither a strip nor a stack, or a folder contains no frames.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "strip.png")
        ...     write_image(path, np.zeros((8, 24, 3), dtype=np.uint8))
        ...     frames = open_frames(path)
        ...     [float(frame.pts * frames.time_base) for frame in frames]
        [0.0, 0.04, 0.08]
    """
    if path.is_dir() or is_still(path):
        return StillFrames(open_clip(path))
    return VideoReader(path)


def clips_by_name(path: Path, report: StatusCallback = lambda _: None) -> dict[str, Path]:
    """Map the names of clips, without suffix, to their paths, in natural order.

    Args:
        path: a folder of clips, or a single clip.
        report: called with one line that names what `list_clips` passed over, if anything.

    Raises:
        DataError: the folder contains no clip, or two of the same name.

    Example:
        >>> list(clips_by_name(Path("videos/walk.mp4")))
        ['walk']
    """
    clips: dict[str, Path] = {}
    for clip in list_clips(path, report) if path.is_dir() else [path]:
        name = clip.name if clip.is_dir() else clip.stem
        if name in clips:
            raise DataError(
                f"{path}: {clips[name].name} and {clip.name} have the same name; rename one of them"
            )
        clips[name] = clip
    return clips
