"""Lossless writing of a clip as a folder of PNG frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.output import atomic_folder
from cpabmm_core.media.image import write_image


class FrameFolderWriter:
    """A folder to which frames are written as with a `VideoWriter`, but without timestamps.

    `open_frames` reads the folder at 25 frames per second.

    Args:
        path: the folder to write into. It exists and is empty.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = FrameFolderWriter(Path(folder))
        ...     writer.write(np.zeros((8, 8, 3), dtype=np.uint8))
        ...     [path.name for path in Path(folder).iterdir()]
        ['000000.png']
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._shape: tuple[int, ...] | None = None

    def write(
        self,
        image: Frame,  # (H, W, 3)
        pts: int = 0,
        duration: int = 0,
    ) -> None:
        """Append a frame.

        Args:
            image: the frame, RGB, of the same size as the first one.
            pts: ignored; it exists for compatibility with `VideoWriter`.
            duration: ignored.

        Raises:
            MediaError: the frame has the wrong size or type, or the file cannot be written.
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
def create_frame_folder(path: str | Path) -> Iterator[FrameFolderWriter]:
    """Create a folder of PNG frames that appears complete or not at all.

    The files are named ``000000.png``, ``000001.png`` and so on.

    Args:
        path: the folder to create. An existing folder must be empty, because frames of a longer
            clip would remain and become the end of this one.

    Yields:
        The writer of the frames.

    Raises:
        OutputExistsError: the folder is not empty.
        MediaError: it cannot be written.
        ResourceError: the disk is full.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with create_frame_folder(f"{folder}/clip") as writer:
        ...         writer.write(np.zeros((8, 8, 3), dtype=np.uint8))
        ...     [path.name for path in Path(folder, "clip").iterdir()]
        ['000000.png']
    """
    with atomic_folder(path, force=False) as temporary:
        yield FrameFolderWriter(temporary)
