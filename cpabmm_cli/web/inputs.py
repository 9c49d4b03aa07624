"""Files that visitors give: checked by the readers of the core, with a preview for the browser."""

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from cpabmm_core.arrays import Frame
from cpabmm_core.media import VideoWriter, read_source, write_image
from cpabmm_core.media.content import is_still
from cpabmm_core.media.timed_frames import open_frames
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
        preview: a picture or a video that browsers can show.
        thumbnail: a small picture.
        size: width and height in pixels, upright.
    """

    path: Path
    preview: Path
    thumbnail: Path
    size: tuple[int, int]

    @property
    def label(self) -> str:
        """Name and size, for people."""
        width, height = self.size
        return f"{self.path.name}, {width} x {height}"


def choose_source(path: Path, folder: Path) -> Choice:
    """Check a source and write its preview to the folder.

    Raises:
        CpabmmError: the file is neither a picture nor a video.
    """
    image = read_source(path)
    preview = folder / "source-preview.png"
    _write_small(preview, image)
    return Choice(path, preview, preview, (image.shape[1], image.shape[0]))


def choose_driving(path: Path, folder: Path) -> Choice:
    """Check a driving file and write its preview to the folder.

    Browsers play few formats. For all others, the preview shows the first frames.

    Raises:
        CpabmmError: the file contains no frames.
    """
    first = next(iter(open_frames(path))).image
    thumbnail = folder / "driving-preview.png"
    _write_small(thumbnail, first)
    size = (first.shape[1], first.shape[0])
    suffix = None if path.is_dir() or is_still(path) else _playable_suffix(path)
    if suffix is not None:
        preview = folder / f"driving-preview{suffix}"
        with suppress(OSError):  # some file systems have no links
            os.link(path, preview)
            return Choice(path, preview, thumbnail, size)
    preview = folder / "driving-preview.mp4"
    _write_preview(preview, path, size)
    return Choice(path, preview, thumbnail, size)


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


def _write_preview(preview: Path, path: Path, size: tuple[int, int]) -> None:
    frames = open_frames(path)
    width, height = _small(size)
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
