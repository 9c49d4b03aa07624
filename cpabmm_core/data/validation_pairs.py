"""Fixed pairs for the validation of a model during training."""

from collections.abc import Sequence
from pathlib import Path

from cpabmm_core.config import DataConfig
from cpabmm_core.data.batches import PairDataset, PairSample
from cpabmm_core.data.clip_frames import ClipFrames, to_tensor
from cpabmm_core.data.clip_set import NamedClip, open_clips
from cpabmm_core.errors import DataError
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.progress import StatusCallback


class ValidationPairs(PairDataset):
    """Pairs of the first frame of each clip (source) and evenly spaced later ones (driving).

    Args:
        clips: one or more clips with two or more frames each.
        config: frame size, cache size, and how to handle damage.
        frames: number of driving frames per clip, of which the last is the last frame of the clip.
            A shorter clip contributes all its frames.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.config import DataConfig
        >>> from cpabmm_core.data import ValidationPairs, open_clips
        >>> from cpabmm_core.puppets import write_puppets
        >>> temporary = tempfile.TemporaryDirectory()
        >>> folder = Path(temporary.name)
        >>> size = dict(videos=1, test_videos=2, frames=5, size=32)
        >>> write_puppets(folder, **size, seed=0, format="strip", force=True)
        >>> clips = open_clips(folder / "test", "refuse", report=print)
        >>> pairs = ValidationPairs(clips, DataConfig(frame_size=32), frames=2)
        >>> [pair.name for pair in (pairs[0], pairs[3])], pairs.batches(3)
        (['00000.png', '00001.png'], [[0, 1, 2], [3]])
        >>> temporary.cleanup()
    """

    def __init__(self, clips: Sequence[NamedClip], config: DataConfig, frames: int) -> None:
        self._frames = ClipFrames(clips, config)
        counts = [min(frames, len(each.clip) - 1) for each in clips]
        self._pairs = [(clip, k, n) for clip, n in enumerate(counts) for k in range(n)]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> PairSample:
        """Return a pair, without augmentation.

        Raises:
            DataError: a frame is damaged and ``data.on_error`` is ``refuse``.
        """
        clip, k, count = self._pairs[index]

        def choose(frames: Sequence[int]) -> list[int]:
            return [frames[0], frames[max(1, (k + 1) * (len(frames) - 1) // count)]]

        images, name, notes = self._frames.pair(clip, choose)
        source, driving = to_tensor(images)
        return PairSample(source, driving, name, notes)

    def batches(self, batch_size: int, *, rank: int = 0, world: int = 1) -> list[list[int]]:
        """Return the numbers of the pairs of one process, batch by batch.

        Each pair belongs to one process. The numbers of pairs per process differ by at most one,
        and a process may have none.
        """
        share = list(range(rank, len(self), world))
        return [share[i : i + batch_size] for i in range(0, len(share), batch_size)]


def open_validation(
    folder: Path,
    config: DataConfig,
    *,
    frames: int,
    report: StatusCallback,
    paths: Sequence[Path] | None = None,
) -> ValidationPairs | None:
    """Open the validation pairs of a test set.

    Args:
        folder: folder of the test set.
        config: frame size, cache size, and how to handle unusable clips.
        frames: driving frames per clip, 1 or more.
        report: called with a line for each unusable clip, or if there are no validation pairs.
        paths: the clips to use; None uses all clips of the folder.

    Returns:
        The pairs, or None if the folder has no usable clip.

    Raises:
        DataError: a clip is unusable and ``data.on_error`` is ``refuse``.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.config import DataConfig
        >>> from cpabmm_core.data import open_validation
        >>> from cpabmm_core.puppets import write_puppets
        >>> temporary = tempfile.TemporaryDirectory()
        >>> folder = Path(temporary.name)
        >>> size = dict(videos=1, test_videos=2, frames=5, size=32)
        >>> write_puppets(folder, **size, seed=0, format="strip", force=True)
        >>> pairs = open_validation(
        ...     folder / "test", DataConfig(frame_size=32), frames=2, report=print
        ... )
        >>> len(pairs), pairs[0].driving.shape
        (4, torch.Size([3, 32, 32]))
        >>> temporary.cleanup()
    """
    try:
        paths = list_clips(folder, report) if paths is None else paths
    except DataError as error:
        report(f"no validation: {error}")
        return None
    if not paths:
        report(
            f"no validation: {folder}: the test set is empty; use two or more identities and a "
            "data.test_share above 0"
        )
        return None
    try:
        clips = open_clips(folder, config.on_error, report, paths=paths)
    except DataError as error:
        if config.on_error == "refuse":
            raise
        report(f"no validation: {error}")
        return None
    return ValidationPairs(clips, config, frames)
