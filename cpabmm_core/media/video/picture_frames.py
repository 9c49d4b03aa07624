"""Still and animated pictures as videos."""

from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.media.image import read_image
from cpabmm_core.media.pictures import is_animated, open_animation, picture_format
from cpabmm_core.media.pictures import is_picture as is_picture_content
from cpabmm_core.media.pictures.quiet import quiet
from cpabmm_core.media.video.frame_shape import check_size
from cpabmm_core.media.video.video_frame import VideoFrame

_STILL_RATE = Fraction(25)
_MILLISECOND = Fraction(1, 1000)
_SHORTEST_DELAY, _USUAL_DELAY = 10.0, 100.0
"""Milliseconds. Browsers replace any delay up to the first by the second."""


def is_picture(path: Path) -> bool:
    """Return whether `PictureFrames` reads a file: any picture but animated GIF and Motion JPEG.

    FFmpeg reads those two. It reads no animated WebP, and ignores the transparency of AVIF.
    """
    head = require_file(path)
    if picture_format(head) in ("GIF", "JPEG") and is_animated(path):
        return False
    return is_picture_content(head)


class PictureFrames:
    """The frames of a picture: a still one has one, of 1/25 s.

    Args:
        path: the file.
        alpha: whether to keep transparency. All frames of an animation then have four channels.

    Raises:
        MediaError: the picture is damaged or too large.
    """

    has_audio = False

    def __init__(self, path: Path, *, alpha: bool = False) -> None:
        self.path, self._alpha = path, alpha
        self._is_animated = is_animated(path)
        if not self._is_animated:
            self.height, self.width = read_image(path).shape[:2]
            self.frame_rate, self.time_base = _STILL_RATE, 1 / _STILL_RATE
            self._count = 1
            return
        with open_animation(path) as image:
            self.width, self.height = image.size
            check_size(path, self.width, self.height)
            self._skipped = int(bool(getattr(image, "default_image", False)))
            self._count = getattr(image, "n_frames", 1) - self._skipped
        self.time_base = _MILLISECOND
        first = next(iter(self))
        self.frame_rate = 1 / (first.duration * self.time_base)

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._count

    def __iter__(self) -> Generator[VideoFrame]:
        """Iterate over all frames from the first one."""
        if not self._is_animated:
            yield VideoFrame(read_image(self.path, alpha=self._alpha), 0, 1)
            return
        end = 0.0
        for image, delay in self._composed(range(self._count)):
            start, end = end, end + delay
            yield VideoFrame(image, round(start), round(end) - round(start))

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Read the frames with these numbers, in the given order."""
        wanted = sorted(set(indices))
        if self._is_animated:
            frames = (image for image, _ in self._composed(wanted))
        else:
            frames = (read_image(self.path) for _ in wanted)
        found = dict(zip(wanted, frames, strict=True))
        return [found[index] for index in indices]

    def find_damage(self) -> dict[int, str]:
        """Read all frames and return the reason for each that cannot be read."""
        found = 0
        try:
            for _ in self:
                found += 1
        except MediaError as error:
            return dict.fromkeys(range(found, self._count), str(error))
        return {}

    def _composed(self, numbers: Sequence[int]) -> Iterator[tuple[Frame, float]]:
        """Yield frames, in ascending order, with their durations in milliseconds."""
        with open_animation(self.path) as image:
            for number in numbers:
                yield self._compose(image, number)

    def _compose(self, image: Image.Image, number: int) -> tuple[Frame, float]:
        try:
            with quiet():
                image.seek(number + self._skipped)
                picture = image.convert("RGBA")
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever their parsers raise
            raise MediaError(
                f"{self.path}: damaged after {number} frames ({one_line(error)})",
                "fetch or export it again",
            ) from None
        delay = float(image.info.get("duration", 0))
        if not self._alpha:
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture).convert("RGB")
        frame = np.array(picture)
        return frame, delay if delay > _SHORTEST_DELAY else _USUAL_DELAY
