"""Pairs of frames of one video, drawn at random but reproducibly."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cpabmm_core.config import DataConfig
from cpabmm_core.data.augment import augment_pair
from cpabmm_core.data.batches import PairDataset, PairSample
from cpabmm_core.data.clip_frames import ClipFrames, to_tensor
from cpabmm_core.data.clip_set import StatusCallback, open_clips
from cpabmm_core.data.identities import group_by_identity, group_clips
from cpabmm_core.data.pair_sampler import PairKey


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
        report: StatusCallback = lambda _: None,
        *,
        paths: Sequence[Path] | None = None,
    ) -> None:
        clips = open_clips(folder, config.on_error, report, paths=paths)
        if len(clips) == 1:
            report(f"{folder}: one clip only ({clips[0].path.name}); other looks stay unknown")
        self._frames = ClipFrames(clips, config)
        self._augment = config.augment
        found = [clip.path for clip in clips]
        self._to_draw_from = group_clips(found, by_identity=config.identity_sampling)
        self.clips = len(found)
        """Number of clips that can be used."""
        self.identities = len(group_by_identity(found))
        """Number of identities of these clips, whether or not they are drawn by identity."""

    def __len__(self) -> int:
        """What an epoch counts: identities, or clips without ``data.identity_sampling``."""
        return len(self._to_draw_from)

    def __getitem__(self, draw: PairKey) -> PairSample:
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
