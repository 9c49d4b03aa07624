"""The pairs that a model is judged by during training: always the same ones, nothing random."""

from collections.abc import Sequence
from pathlib import Path

from cpabmm_core.config import DataConfig
from cpabmm_core.data.batches import PairDataset, PairSample
from cpabmm_core.data.clip_frames import ClipFrames, to_tensor
from cpabmm_core.data.clip_set import NamedClip, StatusCallback, list_paths, open_clips
from cpabmm_core.errors import DataError


class ValidationPairs(PairDataset):
    """The first frame of each clip as source, with evenly spaced later frames as driving.

    Args:
        clips: one or more clips of two or more frames.
        config: frame size, memory for decoded frames, and what to do about damage.
        frames: driving frames of each clip, the last of them its last frame; a shorter clip gives
            all it has.
    """

    def __init__(self, clips: Sequence[NamedClip], config: DataConfig, frames: int) -> None:
        self._frames = ClipFrames(clips, config)
        counts = [min(frames, len(each.clip) - 1) for each in clips]
        self._pairs = [(clip, k, n) for clip, n in enumerate(counts) for k in range(n)]

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self._pairs)

    def __getitem__(self, index: int) -> PairSample:
        """A pair, without augmentation.

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
        """The numbers of one process's share of the pairs, batch by batch.

        Together the processes have every pair once. Shares may differ by a pair, or be empty.
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
    """The validation pairs of a test folder; None, with a message, where it gives no clip.

    Args:
        folder: ``test`` of a data set.
        config: frame size, memory for decoded frames, and what to do about clips that fail.
        frames: driving frames of each clip, 1 or more.
        report: is told why there is no validation, and of clips that cannot be used.
        paths: the clips of the folder to take; None takes all.

    Raises:
        DataError: a clip cannot be used and ``data.on_error`` is ``refuse``.
    """
    try:
        paths = list_paths(folder) if paths is None else paths
    except DataError as error:
        report(f"no validation: {error}")
        return None
    if not paths:
        report(
            f"no validation: {folder}: no clip is held out; data.test_share above 0 holds some out "
            "where there are two identities or more"
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
