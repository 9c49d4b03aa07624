"""Clips by frame number: videos, strips of frames, image stacks and folders of frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cpabmm_core.arrays import Frame
from cpabmm_core.media.clip_types import FolderClip, StackClip, StripClip, VideoClip, is_stack
from cpabmm_core.media.content import is_still


class Clip(Protocol):
    """A sequence of frames that can be read in any order and sent to another process.

    `open_clip` returns one.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import Clip, create_frame_folder, open_clip
        >>> def middle_frame(clip: Clip) -> np.ndarray:
        ...     return clip.read([len(clip) // 2])[0]
        >>> with tempfile.TemporaryDirectory() as temporary:
        ...     with create_frame_folder(f"{temporary}/grey") as writer:
        ...         for level in (0, 100, 200):
        ...             writer.write(np.full((8, 8, 3), level, dtype=np.uint8))
        ...     clip = open_clip(f"{temporary}/grey")
        ...     clip.name, int(middle_frame(clip).mean()), clip.find_damage()
        ('grey', 100, {})
    """

    @property
    def name(self) -> str:
        """The file or folder name without suffix."""
        ...

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Read frames in the given order.

        Args:
            indices: frame numbers from 0 to ``len(clip) - 1``.

        Returns:
            (H, W, 3) uint8 RGB each, all of one size.

        Raises:
            DataError: a number is out of range, or the clip is damaged.
        """
        ...

    def find_damage(self) -> dict[int, str]:
        """Find the frames that cannot be read; this reads the whole clip.

        Frames of a folder or a stack that differ in size from the first readable one count as
        well.

        Returns:
            The reason for each such frame, by its number.
        """
        ...


def open_clip(path: str | Path) -> Clip:
    """Open a clip to read its frames by number.

    Args:
        path: a video or GIF, a strip, a stack, or a folder of frames. A strip is an image whose
            width is a multiple (2 or more) of its height: square frames next to each other. A stack
            is a TIFF file of several pages. The content of a file decides what it is, not its
            suffix. The frames of a folder come in natural order: 2 precedes 10.

    Raises:
        DataError: the path is none of these, or the clip is damaged.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     strip = f"{folder}/strip.png"
        ...     write_image(strip, np.zeros((8, 24, 3), dtype=np.uint8))
        ...     clip = open_clip(strip)
        ...     len(clip), clip.read([2])[0].shape
        (3, (8, 8, 3))
    """
    path = Path(path)
    if path.is_dir():
        return FolderClip(path)
    if is_still(path):
        return StackClip(path) if is_stack(path) else StripClip(path)
    return VideoClip(path)
