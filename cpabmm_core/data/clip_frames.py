"""Reading two frames of a clip at the training size, with replacements for damaged frames."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cpabmm_core.config import DataConfig
from cpabmm_core.data.clip_set import SKIP_CURE, NamedClip, clip_errors
from cpabmm_core.data.frame_cache import CachedFrame, FrameCache
from cpabmm_core.errors import DataError
from cpabmm_core.media.clip_types import StripClip
from cpabmm_core.media.framing import square_frame

Choice = Callable[[Sequence[int]], Sequence[int]]
"""Chooses two of the given frame numbers, which are two or more in ascending order."""


class FramePair(NamedTuple):
    """Two frames and their origin."""

    images: npt.NDArray[np.uint8]  # (2, S, S, 3) RGB
    name: str
    """The name of the clip's file or folder."""
    notes: list[str]
    """One line for each damaged clip that was encountered. A clip always gives the same line."""


class ClipFrames:
    """A reader of frame pairs that decodes only the frames it needs and caches them.

    Of a strip, which is decoded as a whole, it caches all frames while there is room. The frames of
    a pair depend only on the files and the request, not on earlier requests or on the cache.

    Args:
        clips: one or more clips with two or more frames each.
        config: frame size, size of the cache, and how to handle damage.
    """

    def __init__(self, clips: Sequence[NamedClip], config: DataConfig) -> None:
        self.clips = clips
        self._size = config.frame_size
        self._refuse = config.on_error == "refuse"
        self._cache = FrameCache(config.cache_mb * 2**20)
        self._damage: dict[int, dict[int, str]] = {}

    def pair(self, clip: int, choose: Choice) -> FramePair:
        """Read two frames of a clip.

        If a chosen frame is damaged, `choose` is called again with the intact frames of the clip.
        If fewer than two are intact, the next clip is used instead.

        Args:
            clip: number of the clip.
            choose: chooses two of the frame numbers that it receives.

        Returns:
            The frames, with a note about each damaged clip.

        Raises:
            DataError: a frame is damaged and ``data.on_error`` is ``refuse``, or no clip is
                readable.
        """
        notes: list[str] = []
        count = len(self.clips)
        for number in ((clip + k) % count for k in range(count)):
            images = self._images(number, choose, notes)
            if images is not None:
                return FramePair(images, self.clips[number].path.name, notes)
        raise DataError(f"{self.clips[clip].path.parent}: no clip is readable; {notes[0]}")

    def _images(
        self, number: int, choose: Choice, notes: list[str]
    ) -> npt.NDArray[np.uint8] | None:
        """Read two frames of this clip; if that is impossible, add a note and return None."""
        frames = range(len(self.clips[number].clip))
        try:
            return self._read(number, choose(frames))
        except DataError as error:
            if self._refuse:
                raise DataError(f"{error}, or {SKIP_CURE}") from None
            readable = self._readable(number)
            notes.append(self._note(number, readable, str(error)))
        try:
            return self._read(number, choose(readable)) if len(readable) > 1 else None
        except DataError:  # the clip has changed since
            return None

    def _read(self, number: int, indices: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Return frames of one clip, stacked; decode those not in the cache in one pass."""
        path, clip = self.clips[number]
        frames = {index: self._cache.get(number, index) for index in indices}
        missing: Sequence[int] = [index for index, frame in frames.items() if frame is None]
        if missing and isinstance(clip, StripClip):
            missing = self._whole(number, missing)
        with clip_errors(path):
            decoded = clip.read(missing) if missing else []
        for index, image in zip(missing, decoded, strict=True):
            frame = CachedFrame(square_frame(image, self._size), image.shape)
            if index in frames:
                frames[index] = frame
            self._cache.put(number, index, frame)
        found = [frame for frame in frames.values() if frame is not None]
        if len({frame.stored for frame in found}) > 1:
            raise DataError(f"{path}: its frames differ in size; resize them to one size")
        return np.stack([frame.image for frame in found])

    def _whole(self, number: int, missing: Sequence[int]) -> Sequence[int]:
        """Return all frames of a strip if the cache has room for them, else the missing ones.

        Decoding a strip takes the same time for two of its frames as for all.
        """
        count = len(self.clips[number].clip)
        return range(count) if self._cache.has_room(count * self._size**2 * 3) else missing

    def _readable(self, number: int) -> list[int]:
        path, clip = self.clips[number]
        if number not in self._damage:
            try:
                with clip_errors(path):
                    self._damage[number] = clip.find_damage()
            except DataError as error:
                self._damage[number] = dict.fromkeys(range(len(clip)), str(error))
        return [index for index in range(len(clip)) if index not in self._damage[number]]

    def _note(self, number: int, readable: Sequence[int], error: str) -> str:
        damage = self._damage[number]
        if not damage:
            return f"{error}; other frames replace it"
        reason = damage[min(damage)]
        if len(readable) < 2:
            return f"{reason}; it has fewer than two intact frames, so the next clip replaces it"
        skipped = _format_ranges(sorted(damage))
        return f"{reason}; skipping frames {skipped} of {len(readable) + len(damage)}"


def to_tensor(
    images: npt.NDArray[np.uint8],  # (N, S, S, 3)
) -> Tensor:  # (N, 3, S, S) in [0, 1]
    """Convert frames to the input format of the networks."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def _format_ranges(numbers: Sequence[int]) -> str:
    """Format ascending numbers as ranges, such as ``3-5, 9``."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    pairs = zip(starts, ends, strict=True)
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in pairs)
