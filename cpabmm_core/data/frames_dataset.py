"""Random but reproducible pairs of frames from the clips of a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cpabmm_core.config import DataConfig
from cpabmm_core.data.augment import augment_pair
from cpabmm_core.data.batches import PairDataset, PairSample
from cpabmm_core.data.clip_frames import ClipFrames, to_tensor
from cpabmm_core.data.clip_set import open_clips
from cpabmm_core.data.identities import group_by_identity, group_clips
from cpabmm_core.data.pair_sampler import PairKey
from cpabmm_core.progress import StatusCallback


class FramesDataset(PairDataset):
    """Random pairs of frames from the clips of one folder, resized and augmented.

    A `PairKey` specifies an identity. Its seed determines the clip of that identity, two distinct
    frames of the clip in temporal order, and the augmentation. Without ``data.identity_sampling``,
    each clip counts as an identity. (FOMM and its successors sample the two frames with
    replacement. In a clip of F frames, one pair in F then shows the same frame twice and contains
    no motion.)

    Only the two frames of a pair are decoded: in a video from the keyframe before each, in a folder
    as two images. A strip is read as a whole. Each process caches up to ``data.cache_mb`` of
    decoded frames, so W workers use W times as much memory.

    Args:
        folder: folder with one clip per file or sub-folder (`media.clips`).
        config: frame size, augmentation, cache size, and how to handle unreadable clips.
        report: called with a line for each unreadable clip, and if there is only one clip. Damage
            within a clip is noted in the samples instead.
        paths: the clips to use; None uses all clips of the folder.

    Raises:
        DataError: the folder contains no usable clip, or a clip is unusable and ``data.on_error``
            is ``refuse``.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.config import DataConfig
        >>> from cpabmm_core.data import FramesDataset, PairKey
        >>> from cpabmm_core.puppets import write_puppets
        >>> temporary = tempfile.TemporaryDirectory()
        >>> folder = Path(temporary.name)
        >>> size = dict(videos=2, test_videos=0, frames=4, size=32)
        >>> write_puppets(folder, **size, seed=0, format="strip", force=True)
        >>> dataset = FramesDataset(folder / "train", DataConfig(frame_size=32))
        >>> sample = dataset[PairKey(identity=1, seed=(0, 0, 0))]
        >>> sample.name, sample.source.shape
        ('00001.png', torch.Size([3, 32, 32]))
        >>> temporary.cleanup()
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
            name = clips[0].path.name
            report(f"{folder}: contains only one clip ({name}); the model sees one identity")
        self._frames = ClipFrames(clips, config)
        self._augment = config.augment
        found = [clip.path for clip in clips]
        self._groups = group_clips(found, by_identity=config.identity_sampling)
        self.clips = len(found)
        """The number of usable clips."""
        self.identities = len(group_by_identity(found))
        """The number of identities in these clips, whether or not pairs are sampled by identity."""

    def __len__(self) -> int:
        """Return the number of identities, or of clips without ``data.identity_sampling``."""
        return len(self._groups)

    def __getitem__(self, key: PairKey) -> PairSample:
        """Return the pair that a key determines.

        Raises:
            DataError: a frame is damaged and ``data.on_error`` is ``refuse``.
        """
        rng = np.random.default_rng(key.seed)
        clips = self._groups[key.identity]

        def choose(frames: Sequence[int]) -> list[int]:
            return [frames[i] for i in sorted(rng.choice(len(frames), size=2, replace=False))]

        images, name, notes = self._frames.pair(clips[rng.integers(len(clips))], choose)
        source, driving = augment_pair(to_tensor(images), self._augment, rng)
        return PairSample(source, driving, name, notes)
