"""Writing a clip without loss, as a folder of PNG frames; `media.clips` reads it back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cpabmm_core.errors import MediaError
from cpabmm_core.files.output import atomic_folder
from cpabmm_core.media.image import write_image


class FrameFolder:
    """Takes frames as a `VideoWriter` does, but keeps no timestamps: read back at 25 a second."""

    def __init__(self, path: Path) -> None:
        """Write into the folder `path`, which is there and empty."""
        self._path = path
        self._count = 0
        self._shape: tuple[int, ...] | None = None

    def write(
        self,
        image: np.ndarray,  # (H, W, 3) uint8
        pts: int = 0,
        duration: int = 0,
    ) -> None:
        """Append a frame, RGB, of the size of the first one; its times are passed over.

        Raises:
            MediaError: wrong size or type, or the file cannot be written.
            ResourceError: the disk is full.
        """
        self._shape = self._shape or image.shape
        if image.shape != self._shape:
            height, width = self._shape[:2]
            raise MediaError(
                f"{self._path}: expected frames of {width} x {height}, "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        write_image(self._path / f"{self._count:06d}.png", image)
        self._count += 1


@contextmanager
def frame_folder(path: str | Path) -> Iterator[FrameFolder]:
    """A folder of frames ``000000.png``, ``000001.png``, ... that is there whole or not at all.

    Args:
        path: the folder to be; one that is there must be empty, for frames of an older, longer
            clip would become the end of this one.

    Raises:
        OutputExistsError: it holds something.
        MediaError: it cannot be written.
        ResourceError: the disk is full.
    """
    with atomic_folder(path, force=False) as temporary:
        yield FrameFolder(temporary)
