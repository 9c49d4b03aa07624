"""Lossless writing of a clip as a folder of PNG frames."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.output import atomic_folder
from cpabmm_core.files.temporary import remove
from cpabmm_core.media.image import write_image

_FRAME_NAME = re.compile(r"[0-9]{6,}\.png")


class FrameFolderWriter:
    """A folder to which frames are written as with a `VideoWriter`, but without timestamps.

    `open_frames` reads the folder at 25 frames per second.

    Args:
        path: the folder to write into. It exists and is empty.
        size: width and height of the frames; None for those of the first one.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = FrameFolderWriter(Path(folder))
        ...     writer.write(np.zeros((8, 8, 3), dtype=np.uint8))
        ...     [path.name for path in Path(folder).iterdir()]
        ['000000.png']
    """

    def __init__(self, path: Path, size: tuple[int, int] | None = None) -> None:
        self._path = path
        self.count = 0
        """Number of frames so far."""
        self._size = size

    def write(
        self,
        image: Frame,  # (H, W, 3), or (H, W, 4) with transparency
        pts: int = 0,
        duration: int = 0,
    ) -> None:
        """Append a frame.

        Args:
            image: the frame, RGB or RGBA; all have one size.
            pts: ignored; it exists for compatibility with `VideoWriter`.
            duration: ignored.

        Raises:
            MediaError: the frame has the wrong size or type, or the file cannot be written.
            ResourceError: the disk is full.
        """
        size = image.shape[1::-1]
        self._size = self._size or size
        if image.ndim == 3 and size != self._size:
            width, height = self._size
            raise MediaError(
                f"{self._path}: expected frames of {width} x {height}, got {size[0]} x {size[1]}"
            )
        write_image(self._path / f"{self.count:06d}.png", image)
        self.count += 1


@contextmanager
def create_frame_folder(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    force: bool = False,
    inputs: Sequence[str | Path] = (),
) -> Iterator[FrameFolderWriter]:
    """Create a folder of PNG frames that appears complete or not at all.

    The files are named ``000000.png``, ``000001.png`` and so on.

    Args:
        path: the folder to create. An existing folder must be empty unless `force` is True.
        size: width and height of the frames; None for those of the first one.
        force: whether to write into a folder that is not empty. Frames of a longer clip, which
            would become the end of this one, are then removed, and all else stays.
        inputs: files and folders that the same task reads, which must not be replaced.

    Yields:
        The writer of the frames.

    Raises:
        OutputExistsError: the folder is not empty and `force` is False.
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
    with atomic_folder(path, force=force, inputs=inputs) as temporary:
        writer = FrameFolderWriter(temporary, size)
        yield writer
    _remove_from(Path(path), writer.count)


def _remove_from(folder: Path, count: int) -> None:
    """Remove the frames of an earlier, longer clip."""
    for entry in folder.iterdir():
        if _FRAME_NAME.fullmatch(entry.name) and int(entry.stem) >= count:
            remove(entry)
