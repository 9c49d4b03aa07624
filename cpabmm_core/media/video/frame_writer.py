"""What frames are written to, and what their bytes are written to."""

from typing import Protocol

from cpabmm_core.arrays import Frame


class FrameWriter(Protocol):
    """What frames are written to, one after the other."""

    def write(
        self,
        image: Frame,  # (H, W, 3) uint8 RGB, or (H, W, 4) RGBA where transparency is kept
        pts: int,
        duration: int = 0,
    ) -> None:
        """Append a frame.

        Args:
            image: the frame.
            pts: presentation time in units of the time base, greater than that of the last frame.
            duration: duration in the same units; 0 leaves it open.
        """
        ...


class ByteStream(Protocol):
    """What takes the bytes of a video that is written from start to end, without going back."""

    def write(self, data: bytes, /) -> int:
        """Write all bytes and return their number."""
        ...
