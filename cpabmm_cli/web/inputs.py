"""Files that visitors give: checked by the readers of the core, with a preview for the browser."""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import CpabmmError
from cpabmm_core.inference import DrivingMotion, is_motion_file
from cpabmm_core.media import (
    DrivingFrames,
    VideoWriter,
    open_clip,
    open_driving,
    open_source,
    write_image,
)
from cpabmm_core.media.content import is_still
from cpabmm_core.media.pictures import is_animated
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.opening import open_input, video_stream

_PREVIEW_SIZE = 640
_PREVIEW_FRAMES = 300
_PLAYABLE = {
    "mov": (".mp4", {"h264", "vp9", "av1"}),
    "matroska": (".webm", {"vp8", "vp9", "av1"}),
}
"""By container: the suffix that tells browsers how to play it, and the codecs that all know."""


@dataclass(frozen=True)
class Choice:
    """A source or driving file.

    Attributes:
        path: the file.
        size: width and height in pixels, upright; None for a motion file.
        preview: a picture or a video that browsers can show; None for a motion file.
        thumbnail: a small picture; None for a motion file.
        frames: number of frames if it is known.
    """

    path: Path
    size: tuple[int, int] | None = None
    preview: Path | None = None
    thumbnail: Path | None = None
    frames: int | None = None

    @property
    def label(self) -> str:
        """Name and size, for people."""
        if self.size is None:
            return self.path.name
        width, height = self.size
        return f"{self.path.name}, {width} x {height}"


def choose_source(path: Path, folder: Path) -> Choice:
    """Check a source and write its preview to the folder.

    Raises:
        CpabmmError: the file is neither a picture nor a video.
    """
    with open_source(path) as source:
        first = source.first
    preview = folder / "source-preview.png"
    _write_small(preview, first)
    return Choice(path, (first.shape[1], first.shape[0]), preview, preview)


def choose_driving(path: Path, folder: Path) -> Choice:
    """Check a driving file and write its preview to the folder.

    Browsers play few formats. For all others, the preview shows the first frames.

    Raises:
        CpabmmError: the file contains no frames, or is a damaged motion file.
    """
    if is_motion_file(path):
        DrivingMotion.load(path)
        return Choice(path)
    thumbnail = folder / "driving-preview.png"
    with open_driving(path) as frames:
        size = (frames.width, frames.height)
        _write_small(thumbnail, next(iter(frames)).image)
        preview = _link_playable(path, folder)
        if preview is None:
            preview = folder / "driving-preview.mp4"
            _write_preview(preview, frames)
    return Choice(path, size, preview, thumbnail, _count(path))


def _count(path: Path) -> int | None:
    """Return the number of frames, which the index of a video states; None if it has none."""
    try:
        return len(open_clip(path))
    except CpabmmError:
        return None


def _link_playable(path: Path, folder: Path) -> Path | None:
    """Link a video that browsers play under a name that they understand; None for any other."""
    suffix = None if is_still(path) or is_animated(path) else _playable_suffix(path)
    if suffix is None:
        return None
    preview = folder / f"driving-preview{suffix}"
    try:
        os.link(path, preview)
    except OSError:  # some file systems have no links
        return None
    return preview


def _playable_suffix(path: Path) -> str | None:
    """Return the suffix with which browsers play a video; None if they may not."""
    with open_input(path) as container:
        stream = video_stream(container, path)
        with library_calls():
            names, codec = container.format.name.split(","), stream.codec_context
            is_plain = codec.pix_fmt in ("yuv420p", "yuvj420p")
            for name, (suffix, codecs) in _PLAYABLE.items():
                if name in names and codec.name.removeprefix("lib") in codecs and is_plain:
                    return suffix
    return None


def _write_preview(preview: Path, frames: DrivingFrames) -> None:
    width, height = _small((frames.width, frames.height))
    with VideoWriter(preview, width, height, frames.frame_rate, frames.time_base) as video:
        for frame in islice(frames, _PREVIEW_FRAMES):
            video.write(_resized(frame.image, (width, height)), frame.pts, frame.duration)


def _write_small(path: Path, image: Frame) -> None:
    write_image(path, _resized(image, _small((image.shape[1], image.shape[0]))))


def _small(size: tuple[int, int]) -> tuple[int, int]:
    """Return a size of the same shape that fits into a preview."""
    scale = min(1.0, _PREVIEW_SIZE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def _resized(image: Frame, size: tuple[int, int]) -> Frame:
    if image.shape[1::-1] == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
