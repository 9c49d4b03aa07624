"""Any clip (video, GIF, strip, folder of frames) as frames with timestamps, one after another."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from cpabmm_core.errors import DataError
from cpabmm_core.media.clips import Clip, list_clips, open_clip
from cpabmm_core.media.image import IMAGE_SUFFIXES
from cpabmm_core.media.video import VideoFrame, VideoReader

_RATE = Fraction(25)
_READ_AT_ONCE = 16


class StillFrames:
    """Frames that carry no time, at 25 a second; iterated like a `VideoReader`."""

    frame_rate = _RATE
    time_base = 1 / _RATE

    def __init__(self, clip: Clip) -> None:
        self._clip = clip

    def __iter__(self) -> Iterator[VideoFrame]:
        """All frames from the first one."""
        count = len(self._clip)
        for start in range(0, count, _READ_AT_ONCE):
            indices = range(start, min(start + _READ_AT_ONCE, count))
            for index, image in zip(indices, self._clip.read(indices), strict=True):
                yield VideoFrame(image, index, 1)


TimedFrames = VideoReader | StillFrames


def open_frames(path: Path) -> TimedFrames:
    """Open a clip to be read in constant memory, from the first frame to the last.

    Args:
        path: what `open_clip` opens, or any file that FFmpeg reads.

    Raises:
        MediaError: a video is missing, unreadable or broken.
        DataError: an image is no strip, or a folder holds no frames.
    """
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return StillFrames(open_clip(path))
    return VideoReader(path)


def clips_by_name(path: Path) -> dict[str, Path]:
    """The clips of a folder by name without suffix, in natural order; of a file, itself.

    Raises:
        DataError: the folder holds no clip, or two of one name.
    """
    clips: dict[str, Path] = {}
    for clip in list_clips(path) if path.is_dir() else [path]:
        name = clip.name if clip.is_dir() else clip.stem
        if name in clips:
            raise DataError(
                f"{path}: {clips[name].name} and {clip.name} have one name; rename one of them"
            )
        clips[name] = clip
    return clips
