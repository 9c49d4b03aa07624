"""Pairs of frames of one video, drawn at random but reproducibly."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from cpabmm_core.config import DataConfig
from cpabmm_core.data.augment import augment_pair
from cpabmm_core.data.batches import PairDataset, PairSample
from cpabmm_core.data.clip_frames import ClipFrames, to_tensor
from cpabmm_core.data.clip_set import Report, open_clips
from cpabmm_core.data.identities import clips_by_identity, clips_to_draw_from

_STREAM = 0xF2A3E5  # keeps the draws of pairs apart from other uses of the seed


class Draw(NamedTuple):
    """One training example to be: whose it is, and the key of its random numbers."""

    identity: int
    key: tuple[int, int, int]


class FramesDataset(PairDataset):
    """Random pairs of frames of the clips of one folder, resized and augmented.

    A draw names an identity; its random numbers choose one of that identity's clips, two different
    frames of it, sorted in time, and the augmentation. Without ``data.identity_sampling`` every
    clip stands for itself. (FOMM and its successors draw the two frames with replacement. Of a clip
    of F frames that makes one pair in F a frame and itself, which teaches no motion.)

    A pair costs the decoding of its two frames: of a video, from the keyframe before each of them;
    of a folder, two images; of a strip, all of it. Decoded frames stay in memory up to
    ``data.cache_mb``, in each process apart: with W workers, W times that.

    Args:
        folder: holds one clip per file or sub-folder (`media.clips`).
        config: size, augmentation, memory, and what to do about clips that cannot be read.
        report: is told of such clips, and of a set of one; damage inside a clip comes with the
            sample, as a note.
        paths: the clips of the folder to take; None takes all.

    Raises:
        DataError: no clip, or one that cannot be used and ``data.on_error`` is ``refuse``; the
            message names it.
    """

    def __init__(
        self,
        folder: Path,
        config: DataConfig,
        report: Report = lambda _: None,
        *,
        paths: Sequence[Path] | None = None,
    ) -> None:
        clips = open_clips(folder, config.on_error, report, paths=paths)
        if len(clips) == 1:
            report(f"{folder}: one clip only ({clips[0].path.name}); other looks stay unknown")
        self._frames = ClipFrames(clips, config)
        self._augment = config.augment
        found = [clip.path for clip in clips]
        self._to_draw_from = clips_to_draw_from(found, by_identity=config.identity_sampling)
        self.clips = len(found)
        """Number of clips that can be used."""
        self.identities = len(clips_by_identity(found))
        """Number of identities of these clips, whether or not they are drawn by identity."""

    def __len__(self) -> int:
        """What an epoch counts: identities, or clips without ``data.identity_sampling``."""
        return len(self._to_draw_from)

    def __getitem__(self, draw: Draw) -> PairSample:
        """The pair that a draw stands for.

        Raises:
            DataError: a frame is damaged and ``data.on_error`` is ``refuse``.
        """
        rng = np.random.default_rng(draw.key)
        clips = self._to_draw_from[draw.identity]

        def choose(frames: Sequence[int]) -> list[int]:
            return [frames[i] for i in sorted(rng.choice(len(frames), size=2, replace=False))]

        images, name, notes = self._frames.pair(clips[rng.integers(len(clips))], choose)
        source, driving = augment_pair(to_tensor(images), self._augment, rng)
        return PairSample(source, driving, name, notes)


class PairSampler(Sampler[list[Draw]]):
    """Batches of draws, from any step on: step k holds the same draws however often one resumes.

    A step takes ``batch_size * accumulation * world`` draws. They are cut into batches in the same
    order whatever the three are, and a draw's random numbers hang on its place in the epoch, not on
    who makes it: 2 processes of batch 2 see what one of batch 4 does.

    In an epoch every identity comes `repeats` times, in random order; the last draws, too few for a
    step, are left out. A set too small for one step comes as often as that needs.

    Args:
        identities: number of identities, or of clips where each stands for itself.
        repeats: how often each comes in an epoch.
        batch_size: draws in a batch of one process.
        seed: of the random numbers.
        accumulation: batches that each process takes in a step.
        rank: number of this process.
        world: number of processes.
    """

    def __init__(
        self,
        identities: int,
        repeats: int,
        batch_size: int,
        seed: int,
        *,
        accumulation: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._identities, self._seed = identities, seed
        self._batch_size, self._accumulation = batch_size, accumulation
        self._rank, self._world = rank, world
        self._draws_per_step = batch_size * accumulation * world
        self._draws_per_epoch = max(identities * repeats, self._draws_per_step)
        self.steps = range(self.steps_per_epoch)
        """Which steps to give the batches of, counted from the first of the first epoch."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in an epoch."""
        return self._draws_per_epoch // self._draws_per_step

    def __len__(self) -> int:
        """Number of batches to come."""
        return len(self.steps) * self._accumulation

    def __iter__(self) -> Iterator[list[Draw]]:
        """The batches of this process, in order."""
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in self.steps:
            step_epoch, place = divmod(step, self.steps_per_epoch)
            if step_epoch != epoch:
                epoch = step_epoch
                rng = np.random.default_rng((_STREAM, self._seed, epoch))
                order = rng.permutation(self._draws_per_epoch)
            for part in range(self._accumulation):
                batch = (place * self._accumulation + part) * self._world + self._rank
                chosen = order[batch * self._batch_size : (batch + 1) * self._batch_size]
                yield [Draw(int(i) % self._identities, (self._seed, epoch, int(i))) for i in chosen]
