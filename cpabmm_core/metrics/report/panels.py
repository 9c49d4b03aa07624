"""Panels of a video for the report: source, real, generated and error side by side."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.media.framing import square_frame
from cpabmm_core.media.image import read_image
from cpabmm_core.media.timed_frames import StillFrames, TimedFrames, open_frames
from cpabmm_core.media.video import VideoWriter
from cpabmm_core.metrics.video_pairs import are_single_images
from cpabmm_core.visualize.canvas import Colour, Picture
from cpabmm_core.visualize.heat import heat_map
from cpabmm_core.visualize.layout import side_by_side

SIDE = 160
"""Largest side of a panel, in pixels."""
GAP = 4
"""Distance between two panels, in pixels."""
ERROR_TOP = 0.25
"""Upper end of the colour scale: mean absolute difference over the channels, in [0, 1]."""
MAX_FRAMES = 125
"""Number of frames shown, from the first one of a video."""

_GAP_COLOUR: Colour = (128, 128, 128)  # distinct from the dark and the light page
_POSTER_QUALITY = 88


@dataclass(frozen=True)
class Panels:
    """The panels of a video as data URIs."""

    poster: str
    """JPEG of the frame with the largest error."""
    video: str | None
    """H.264 video in MP4; None for a single frame, which the poster shows."""
    frames: int
    """Number of frames shown."""
    seconds: float
    """Start time of the last frame."""
    width: int
    """Width of the panels in pixels."""
    height: int
    """Height of the panels in pixels."""


class _Moment(NamedTuple):
    pts: int
    duration: int
    row: Picture
    error: float


class _Encoded(NamedTuple):
    file: bytes
    moments: int
    last: int
    """Time of the last moment, relative to the first."""
    worst: Picture


def render_panels(real: Path, generated: Path) -> Panels:
    """Render two videos or images side by side, in constant memory.

    Real frames are cropped and resized as for the metrics. Timestamps come from the real video, or
    from the generated one if the real one has none.

    Raises:
        MediaError: a file is missing or damaged.
        DataError: a file is neither a video, nor a strip, nor a folder of frames.
        ResourceError: the disk is full.
    """
    if are_single_images(real, generated):
        image = read_image(generated)
        truth = _match_framing(read_image(real), image)
        row, _ = render_row(truth, truth, image)
        return _still(row)
    videos = open_frames(real), open_frames(generated)
    timed = videos[1] if isinstance(videos[0], StillFrames) else videos[0]
    encoded = _encode(islice(_moments(*videos, timed), MAX_FRAMES), timed)
    still = _still(encoded.worst)
    if encoded.moments == 1:
        return still
    return replace(
        still,
        video=_data_uri("video/mp4", encoded.file),
        frames=encoded.moments,
        seconds=float(encoded.last * timed.time_base),
    )


def _moments(real: TimedFrames, generated: TimedFrames, timed: TimedFrames) -> Iterator[_Moment]:
    source: NDArray[np.uint8] | None = None
    # The evaluation has checked that both have the same length.
    for one, other in zip(real, generated, strict=False):
        truth = _match_framing(one.image, other.image)
        source = truth.copy() if source is None else source
        clock = one if timed is real else other
        yield _Moment(clock.pts, clock.duration, *render_row(source, truth, other.image))


def _match_framing(
    real: NDArray[np.uint8],  # (H, W, 3)
    generated: NDArray[np.uint8],  # (S, S, 3), or (H, W, 3)
) -> NDArray[np.uint8]:
    return real if real.shape == generated.shape else square_frame(real, generated.shape[0])


def render_row(
    source: NDArray[np.uint8],  # (H, W, 3)
    real: NDArray[np.uint8],  # (H, W, 3)
    generated: NDArray[np.uint8],  # (H, W, 3)
) -> tuple[Picture, float]:
    """Render source, real, generated and error of one moment, and return its mean error."""
    height, width = real.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    panels = [
        np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        for image in (source, real, generated)
    ]
    error = np.abs(real.astype(np.float32) - generated).mean(axis=2) / 255
    # Shrunk before colouring, because a mean of two colours is not on the scale.
    shrunk = np.asarray(Image.fromarray(error).resize(size, Image.Resampling.BOX))
    row = side_by_side([*panels, heat_map(shrunk, ERROR_TOP)], gap=GAP, colour=_GAP_COLOUR)
    return row, float(error.mean())


def _encode(moments: Iterator[_Moment], timed: TimedFrames) -> _Encoded:
    worst = first = next(moments)  # a video has at least one frame
    height, width = first.row.shape[:2]
    count, pts = 0, 0
    with TemporaryDirectory() as folder:
        path = Path(folder) / "panels.mp4"
        with VideoWriter(path, width, height, timed.frame_rate, timed.time_base) as writer:
            for moment in chain([first], moments):
                count += 1
                pts = moment.pts - first.pts  # a late start would show an empty player
                writer.write(moment.row, pts, moment.duration)
                worst = max(worst, moment, key=lambda each: each.error)
        return _Encoded(path.read_bytes(), count, pts, worst.row)


def _still(row: Picture) -> Panels:
    file = io.BytesIO()
    Image.fromarray(row).save(file, "JPEG", quality=_POSTER_QUALITY, subsampling=0)
    poster = _data_uri("image/jpeg", file.getvalue())
    return Panels(poster, None, 1, 0.0, row.shape[1], row.shape[0])


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
