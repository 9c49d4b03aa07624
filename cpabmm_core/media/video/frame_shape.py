"""The size at which the frames of a video are shown, and the largest size that is read."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.media.video.display import frame_to_rgb

MAX_PIXELS = 8192 * 8192
"""The largest number of pixels of a frame: twice that of 8K video."""

# Real pixels are at most a few times as wide as high. Larger ratios are mistakes of a writer.
_LONGEST_PIXEL = 16


def check_size(path: Path | str, width: int, height: int) -> None:
    """Check that frames of this size are not too large to read.

    Args:
        path: the name of the file, for the message.
        width: width in pixels.
        height: height in pixels.

    Raises:
        MediaError: they are.
    """
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{path}: its frames have {width} x {height} pixels, and the limit is {MAX_PIXELS:,} "
            "in all (8192 x 8192)",
            "scale the video down",
        )


@dataclass(frozen=True, slots=True)
class FrameShape:
    """The shape of all frames of a video, which its first frame determines.

    Pixels need not be square: DVD, DV and anamorphic recordings state a sample aspect ratio. Frames
    are enlarged along the side with fewer samples, so that no sample is lost: 64 x 128 with pixels
    that are twice as wide as high becomes 128 x 128. A ratio of more than 16 is ignored.
    """

    width: int
    """Width of a frame with square pixels, before the display matrix is applied."""
    height: int
    """Height of such a frame."""
    is_stretched: bool
    """Whether the stored pixels are not square."""

    @classmethod
    def of(cls, stream: VideoStream, first: AvFrame, path: Path | str) -> "FrameShape":
        """Return the shape of a video.

        As in FFmpeg, the ratio in the container has priority over that in the stream.

        Args:
            stream: the video stream, from which `first` was decoded.
            first: its first frame.
            path: the name of the file, for errors.

        Raises:
            MediaError: the frames are too large.
        """
        stated = (stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio)
        ratio = next((each for each in stated if each and _is_plausible(each)), Fraction(1))
        width, height = _with_square_pixels(first.width, first.height, ratio)
        check_size(path, width, height)
        return cls(width, height, (width, height) != (first.width, first.height))

    def to_rgb(self, frame: AvFrame, *, alpha: bool = False) -> Frame:
        """Convert a decoded frame to (H, W, 3) uint8 RGB as a player would show it.

        With `alpha`, a frame of a format with transparency becomes (H, W, 4), not premultiplied.
        """
        smooth = self.is_stretched
        return frame_to_rgb(frame, self.width, self.height, smooth=smooth, alpha=alpha)


def _is_plausible(ratio: Fraction) -> bool:
    return Fraction(1, _LONGEST_PIXEL) <= ratio <= _LONGEST_PIXEL


def _with_square_pixels(width: int, height: int, ratio: Fraction) -> tuple[int, int]:
    if ratio >= 1:
        return round(width * ratio), height
    return width, round(height / ratio)
