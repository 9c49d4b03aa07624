"""Writing frames with timestamps as a video of a constant rate."""

from fractions import Fraction

from cpabmm_core.arrays import Frame
from cpabmm_core.media.video.frame_writer import FrameWriter
from cpabmm_core.media.video.resampling import RateGrid


class ConstantRateWriter:
    """Repeats and leaves out frames, as `constant_rate` does.

    Args:
        writer: receives each frame of the output, with timestamps in units of 1 / fps.
        time_base: seconds per unit of the timestamps of the frames to be written.
        fps: frames per second of the output.
    """

    def __init__(self, writer: FrameWriter, time_base: Fraction, fps: Fraction) -> None:
        self._writer = writer
        self._grid: RateGrid[Frame] = RateGrid(time_base, fps)

    def write(
        self,
        image: Frame,  # (H, W, 3 or 4)
        pts: int,
        duration: int = 0,
    ) -> None:
        """Append a frame; it is written when the next one tells how long it lasts."""
        self._repeat(self._grid.add(image, pts, duration))

    def finish(self) -> None:
        """Write the last frame."""
        self._repeat(self._grid.finish())

    def _repeat(self, shown: list[tuple[Frame, int, int]]) -> None:
        for image, start, count in shown:
            for number in range(start, start + count):
                self._writer.write(image, number, 1)
