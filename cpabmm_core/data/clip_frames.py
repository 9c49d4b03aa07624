"""Two frames of one clip at the training size, and what takes their place where one is damaged."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cpabmm_core.config import DataConfig
from cpabmm_core.data.clip_set import SKIP_CURE, NamedClip
from cpabmm_core.data.frame_cache import CachedFrame, FrameCache
from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.framing import square_frame

Choice = Callable[[Sequence[int]], Sequence[int]]
"""Picks two of the frame numbers given, which ascend and are two or more."""


class FramePair(NamedTuple):
    """Two frames and where they are from."""

    images: npt.NDArray[np.uint8]  # (2, S, S, 3) RGB
    name: str
    """Name of the clip's file or folder."""
    notes: list[str]
    """A line for each damaged clip on the way to it, the same line whenever that clip is met."""


class ClipFrames:
    """Reads pairs of frames, decoding only what they need and keeping it in memory.

    Which frames a pair holds is a function of the files and of the request alone, not of what was
    read before, nor of the cache.

    Args:
        clips: one or more clips of two or more frames.
        config: size, memory for decoded frames, and what to do about damage.
    """

    def __init__(self, clips: Sequence[NamedClip], config: DataConfig) -> None:
        self.clips = clips
        self._size = config.frame_size
        self._refuse = config.on_error == "refuse"
        self._cache = FrameCache(config.cache_mb * 2**20)
        self._damage: dict[int, dict[int, str]] = {}

    def pair(self, clip: int, choose: Choice) -> FramePair:
        """Two frames of a clip.

        Where one of them cannot be read, the clip is searched for the frames that can be, and
        `choose` is asked for two of those; where there are none, the next clip takes its place.

        Args:
            clip: number of the clip.
            choose: says which two frames.

        Raises:
            DataError: a frame is damaged and ``data.on_error`` is ``refuse``; or no clip can be
                read any more.
        """
        notes: list[str] = []
        count = len(self.clips)
        for number in ((clip + k) % count for k in range(count)):
            images = self._images(number, choose, notes)
            if images is not None:
                return FramePair(images, self.clips[number].path.name, notes)
        raise DataError(f"{self.clips[clip].path.parent}: no clip can be read any more; {notes[0]}")

    def _images(
        self, number: int, choose: Choice, notes: list[str]
    ) -> npt.NDArray[np.uint8] | None:
        """Two frames of this very clip; None, with a note, if it has no two to give."""
        frames = range(len(self.clips[number].clip))
        try:
            return self._read(number, choose(frames))
        except DataError as error:
            if self._refuse:
                raise DataError(f"{error}; or {SKIP_CURE}") from None
            readable = self._readable(number)
            notes.append(self._note(number, readable, str(error)))
        try:
            return self._read(number, choose(readable)) if len(readable) > 1 else None
        except DataError:  # it changes while we read
            return None

    def _read(self, number: int, indices: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Frames of one clip, stacked; those not in memory are decoded together, in one pass."""
        path, clip = self.clips[number]
        frames = {index: self._cache.get(number, index) for index in indices}
        missing = [index for index, frame in frames.items() if frame is None]
        try:
            decoded = clip.read(missing) if missing else []
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({one_line(error)})") from None
        for index, image in zip(missing, decoded, strict=True):
            frame = CachedFrame(square_frame(image, self._size), image.shape)
            frames[index] = frame
            self._cache.put(number, index, frame)
        found = [frame for frame in frames.values() if frame is not None]
        if len({frame.stored for frame in found}) > 1:
            raise DataError(f"{path}: its frames differ in size; bring them to one size")
        return np.stack([frame.image for frame in found])

    def _readable(self, number: int) -> list[int]:
        path, clip = self.clips[number]
        if number not in self._damage:
            try:
                self._damage[number] = clip.damage()
            except OSError as error:
                reason = f"{path}: cannot be read ({one_line(error)})"
                self._damage[number] = dict.fromkeys(range(len(clip)), reason)
        return [index for index in range(len(clip)) if index not in self._damage[number]]

    def _note(self, number: int, readable: Sequence[int], error: str) -> str:
        damage = self._damage[number]
        if not damage:
            return f"{error}; other frames take its place"
        reason = damage[min(damage)]
        if len(readable) < 2:
            return f"{reason}; no two frames can be read, the next clip takes its place"
        left = _ranges(sorted(damage))
        return f"{reason}; frames {left} of {len(readable) + len(damage)} are left out"


def to_tensor(
    images: npt.NDArray[np.uint8],  # (N, S, S, 3)
) -> Tensor:  # (N, 3, S, S) in [0, 1]
    """Frames as the networks want them."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as text, such as ``3-5, 9``."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    pairs = zip(starts, ends, strict=True)
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in pairs)
