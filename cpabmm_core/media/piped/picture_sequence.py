"""Pictures that come one after another through a pipe, as frames of a video."""

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import InputLost, MediaError
from cpabmm_core.media.channels import with_channels
from cpabmm_core.media.image import read_image
from cpabmm_core.media.pictures import picture_format
from cpabmm_core.media.piped.byte_pipe import BytePipe
from cpabmm_core.media.piped.picture_ends import picture_end
from cpabmm_core.media.video.video_frame import VideoFrame

_RATE = Fraction(25)
_HEAD = 512
_LARGEST = 256 * 2**20
"""Bytes of a picture. A larger one is not part of a sequence."""


def is_sequence(pipe: BytePipe, kind: str) -> bool:
    """Return whether a pipe begins with a picture and goes on with another one of its format.

    Args:
        pipe: the pipe; nothing of it is consumed.
        kind: the format of the first picture.
    """
    end = picture_end(pipe, kind)
    if end is None or end > _LARGEST:
        return False
    return picture_format(bytes(pipe.peek(end + _HEAD)[end : end + _HEAD])) == kind


class PictureSequence:
    """Pictures from a pipe, at 25 frames per second; iterable once, each read as it comes.

    Args:
        pipe: the pipe, which this object closes.
        kind: the format of the pictures.
        alpha: whether to keep the transparency of pictures that have some.

    Raises:
        MediaError: the first picture is damaged.
    """

    path = None
    is_live = False
    has_audio = False
    frame_rate = _RATE
    time_base = 1 / _RATE

    def __init__(self, pipe: BytePipe, kind: str, *, alpha: bool = False) -> None:
        self._pipe, self._kind, self._alpha = pipe, kind, alpha
        self._count = 0
        try:
            self._first: Frame | None = self._read()
        except BaseException:
            pipe.close()
            raise
        assert self._first is not None  # `is_sequence` has seen it
        self._shape = self._first.shape
        self.height, self.width = self._shape[:2]

    def __enter__(self) -> Self:
        """Return the pictures."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading."""
        self._pipe.close()

    def stop(self) -> None:
        """End the sequence here; any thread may call this."""
        self._pipe.stop()

    def __iter__(self) -> Iterator[VideoFrame]:
        """Iterate over all pictures.

        Raises:
            InputLost: the pipe ends within a picture, or one is damaged or of another size.
            MediaError: this is the second iteration.
        """
        image, self._first = self._first, None
        if image is None:
            raise MediaError(
                f"{self._pipe.name}: can be read only once", "give a file to read it again"
            )
        while image is not None:
            yield VideoFrame(image, self._count - 1, 1)
            image = self._read()

    def _read(self) -> Frame | None:
        """Read the next picture; return None at the end."""
        end = picture_end(self._pipe, self._kind) or 0
        data = bytes(self._pipe.peek(end)[:end]) if end <= _LARGEST else b""
        self._pipe.raise_interrupt()
        if self._pipe.is_stopped or not self._pipe.peek(1):
            return None
        if not end or len(data) < end:
            raise self._lost(f"ends too early, after {self._count} pictures")
        self._pipe.read(end)
        try:
            with tempfile.TemporaryDirectory(
                prefix="cpabmm-", ignore_cleanup_errors=True
            ) as folder:
                path = Path(folder) / "picture"
                path.write_bytes(data)
                image = read_image(path, alpha=self._alpha)
        except MediaError:
            raise self._lost(f"picture {self._count} is damaged") from None
        if self._count:
            image = with_channels(image, self._shape[2])
            if image.shape != self._shape:
                raise self._lost(f"picture {self._count} has another size than the first one")
        self._count += 1
        return image

    def _lost(self, trouble: str) -> InputLost:
        return InputLost(f"{self._pipe.name}: {trouble}", "check the program that writes it")
