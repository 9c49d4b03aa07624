"""Source, truth, result and error of a video side by side, small enough to put into a page."""

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
from cpabmm_core.metrics.video_pairs import are_two_pictures
from cpabmm_core.visualize.canvas import Colour, Picture
from cpabmm_core.visualize.heat import heat_map
from cpabmm_core.visualize.layout import side_by_side

SIDE = 160
"""Most pixels each way of a panel."""
GAP = 4
"""Pixels between two panels."""
ERROR_TOP = 0.25
"""Mean absolute difference over the channels, in [0, 1], at which the error map's scale ends."""
MOST_FRAMES = 125
"""Frames of a video that are shown, from its first one on."""

_GAP_COLOUR: Colour = (128, 128, 128)  # neither the dark page's nor the light one's
_POSTER_QUALITY = 88


@dataclass(frozen=True)
class Panels:
    """The four panels of a video, as data URIs."""

    poster: str
    """JPEG of the moment with the largest error."""
    video: str | None
    """H.264 in MP4; None for a single frame, which the poster shows."""
    frames: int
    """Frames shown."""
    seconds: float
    """When the last frame begins."""
    width: int
    height: int


class _Moment(NamedTuple):
    pts: int
    duration: int
    row: Picture
    error: float


class _Encoded(NamedTuple):
    file: bytes
    moments: int
    last: int
    """Time of the last one, counted from the first."""
    worst: Picture


def draw_panels(real: Path, generated: Path) -> Panels:
    """Put two clips or images side by side, in memory that does not grow with a clip's length.

    Real frames of another size than the generated ones are framed as the measures frame them. The
    times are those of the clip that has some, the real one first.

    Raises:
        MediaError: a file is missing or broken.
        DataError: one is neither a video, nor a strip, nor a folder of frames.
        ResourceError: no room for the temporary file.
    """
    if are_two_pictures(real, generated):
        result = read_image(generated)  # two images are compared whole
        truth = _framed(read_image(real), result)
        row, _ = panel_row(truth, truth, result)
        return _still(row)
    clips = open_frames(real), open_frames(generated)
    timed = clips[1] if isinstance(clips[0], StillFrames) else clips[0]
    encoded = _encode(islice(_moments(*clips, timed), MOST_FRAMES), timed)
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
    # The measures have seen that both are of one length.
    for one, other in zip(real, generated, strict=False):
        truth = _framed(one.image, other.image)
        source = truth.copy() if source is None else source
        clock = one if timed is real else other
        yield _Moment(clock.pts, clock.duration, *panel_row(source, truth, other.image))


def _framed(
    truth: NDArray[np.uint8],  # (H, W, 3)
    result: NDArray[np.uint8],  # (S, S, 3), or of the same shape
) -> NDArray[np.uint8]:
    return truth if truth.shape == result.shape else square_frame(truth, result.shape[0])


def panel_row(
    source: NDArray[np.uint8],  # (H, W, 3)
    truth: NDArray[np.uint8],  # (H, W, 3)
    result: NDArray[np.uint8],  # (H, W, 3)
) -> tuple[Picture, float]:
    """The panels of one moment (source, truth, result and error map), and its mean error."""
    height, width = truth.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    panels = [
        np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        for image in (source, truth, result)
    ]
    error = np.abs(truth.astype(np.float32) - result).mean(axis=2) / 255
    # Averaged before it is coloured: a mean of colours is no colour of the scale.
    shrunk = np.asarray(Image.fromarray(error).resize(size, Image.Resampling.BOX))
    row = side_by_side([*panels, heat_map(shrunk, ERROR_TOP)], gap=GAP, colour=_GAP_COLOUR)
    return row, float(error.mean())


def _encode(moments: Iterator[_Moment], timed: TimedFrames) -> _Encoded:
    worst = first = next(moments)  # a clip has at least one frame
    height, width = first.row.shape[:2]
    count, pts = 0, 0
    with TemporaryDirectory() as folder:
        path = Path(folder) / "panels.mp4"
        with VideoWriter(path, width, height, timed.frame_rate, timed.time_base) as writer:
            for moment in chain([first], moments):
                count += 1
                pts = moment.pts - first.pts  # a late start would show nothing for a while
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
