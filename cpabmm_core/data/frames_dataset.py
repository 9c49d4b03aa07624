"""Pairs of frames of one video, drawn at random but reproducibly."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from cpabmm_core.config import DataConfig
from cpabmm_core.data.augment import augment_pair
from cpabmm_core.errors import DataError
from cpabmm_core.media.clips import Clip, list_clips, open_clip

_CACHE_BYTES = 2**30
_STREAM = 0xF2A3E5  # keeps the draws of pairs apart from other uses of the seed


class Draw(NamedTuple):
    """One training example to be: which video, and the key of its random numbers."""

    video: int
    key: tuple[int, int, int]


class FramesDataset(Dataset[dict[str, Tensor]]):
    """Random pairs of frames of the videos of one folder, resized and augmented.

    Frames that were decoded once stay in memory, up to 1 GiB.

    Args:
        folder: holds one clip per file or sub-folder (`media.clips`).
        config: size and augmentation.

    Raises:
        DataError: no clip, or a damaged one, or one of a single frame; the message names it.
    """

    def __init__(self, folder: Path, config: DataConfig) -> None:
        self._config = config
        self._clips = [open_clip(path) for path in list_clips(folder)]
        self._cache: dict[tuple[int, int], npt.NDArray[np.uint8]] = {}
        self._cached_bytes = 0
        for clip in self._clips:
            if len(clip) < 2:
                raise DataError(f"{folder}: {clip.name} has one frame; a pair needs two, remove it")

    def __len__(self) -> int:
        """Number of videos."""
        return len(self._clips)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        """``source`` and ``driving``, each (3, S, S) in [0, 1]."""
        rng = np.random.default_rng(draw.key)
        clip = self._clips[draw.video]
        indices = rng.choice(len(clip), size=2, replace=False).tolist()
        frames = np.stack([self._frame(clip, draw.video, index) for index in indices])
        pair = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        source, driving = augment_pair(pair, self._config.augment, rng)
        return {"source": source, "driving": driving}

    def _frame(self, clip: Clip, video: int, index: int) -> npt.NDArray[np.uint8]:
        if (video, index) in self._cache:
            return self._cache[video, index]
        (frame,) = clip.read([index])
        size = (self._config.frame_size,) * 2
        if frame.shape[:2] != size:
            frame = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))
        if self._cached_bytes + frame.nbytes <= _CACHE_BYTES:
            self._cache[video, index] = frame
            self._cached_bytes += frame.nbytes
        return frame


class PairSampler(Sampler[list[Draw]]):
    """Batches of draws, from any step on: step k holds the same draws however often one resumes.

    In an epoch every video comes `repeats` times, in random order; the last, smaller batch is left
    out unless it is the only one.
    """

    def __init__(self, videos: int, repeats: int, batch_size: int, seed: int) -> None:
        self._draws_per_epoch = videos * repeats
        self._videos = videos
        self._batch_size = min(batch_size, self._draws_per_epoch)
        self._seed = seed
        self.steps = range(self.steps_per_epoch)
        """Which batches to give, counted from the first of the first epoch."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch."""
        return self._draws_per_epoch // self._batch_size

    def __len__(self) -> int:
        """Number of batches to come."""
        return len(self.steps)

    def __iter__(self) -> Iterator[list[Draw]]:
        """The batches of the steps, in order."""
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in self.steps:
            step_epoch, batch = divmod(step, self.steps_per_epoch)
            if step_epoch != epoch:
                epoch = step_epoch
                rng = np.random.default_rng((_STREAM, self._seed, epoch))
                order = rng.permutation(self._draws_per_epoch)
            chosen = order[batch * self._batch_size : (batch + 1) * self._batch_size]
            yield [Draw(int(i) % self._videos, (self._seed, epoch, int(i))) for i in chosen]
