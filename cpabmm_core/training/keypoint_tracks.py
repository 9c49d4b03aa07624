"""The keypoints of all frames of a set of clips, detected once, and pairs of them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.config import DataConfig
from cpabmm_core.data.clip_set import LEAVE_OUT, NamedClip, Report
from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.inference.frames import batches
from cpabmm_core.inference.renderer import Renderer
from cpabmm_core.media.timed_frames import open_frames

_FRAMES_AT_ONCE = 32
_FEWEST_FRAMES = 2


class KeypointTracks:
    """Keypoints of the frames of clips, all in one tensor, of which pairs are drawn.

    Args:
        tracks: of each clip; it may come in several versions (as it is, mirrored) of F frames.
    """

    def __init__(
        self,
        tracks: Sequence[Tensor],  # clips of (versions, F, N, 2) in [-1, 1]; F differs
    ) -> None:
        self._points = torch.cat([track.flatten(0, 1) for track in tracks])
        self._versions = len(tracks[0])
        self._lengths = np.array([track.shape[1] for track in tracks])
        rows = self._versions * self._lengths
        self._starts = np.cumsum(rows) - rows

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._lengths)

    @property
    def frames(self) -> int:
        """Number of frames of all clips, each counted once."""
        return int(self._lengths.sum())

    def pairs(
        self, count: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:  # two of (count, N, 2)
        """Keypoints of two different frames of one clip in the same version, `count` times."""
        clips = rng.integers(len(self), size=count)
        versions = rng.integers(self._versions, size=count)
        lengths = self._lengths[clips]
        first = rng.integers(lengths)
        second = (first + rng.integers(1, lengths)) % lengths
        starts = self._starts[clips] + versions * lengths
        rows = torch.from_numpy(np.stack((starts + first, starts + second)))
        one, other = self._points[rows.to(self._points.device)]
        return one, other


def detect_tracks(
    renderer: Renderer, clips: Sequence[NamedClip], config: DataConfig, report: Report
) -> Iterator[Tensor]:  # of each clip (1 or 2, F, N, 2) in [-1, 1]
    """Detect the keypoints of every frame of clips, reading each from the first to the last.

    Frames are cut and resized as for animation. Where training flips frames, each clip is also
    detected in a mirror: a detector need not find mirrored points in a mirrored frame. The
    other changes that training makes to frames, colours and resizing, are left out.

    Args:
        renderer: the model, on its device.
        clips: the clips, of which damaged ones are left out.
        config: whether to mirror, and what to do about damaged clips.
        report: is told of damaged clips, one line each.

    Raises:
        DataError: a clip is damaged and ``data.on_error`` is ``refuse``, or all of them are.
    """
    lost = 0
    for clip in clips:
        try:
            track = _detect(renderer, clip, mirror=config.augment.horizontal_flip)
        except (DataError, MediaError) as error:
            if config.on_error == "refuse":
                raise DataError(f"{error}; or {LEAVE_OUT}") from None
            report(f"cannot be used: {error}")
            lost += 1
        else:
            yield track
    if lost == len(clips):
        raise DataError(f"{clips[0].path}: damaged, as are all other clips; replace them")


@torch.no_grad()
def _detect(
    renderer: Renderer, clip: NamedClip, *, mirror: bool
) -> Tensor:  # (1 or 2, F, N, 2) in [-1, 1]
    found = []
    frames = (frame.image for frame in open_frames(clip.path))
    for batch in batches(frames, _FRAMES_AT_ONCE):
        images = renderer.read(batch)
        versions = [images, images.flip(3)] if mirror else [images]
        found.append(torch.stack([renderer.model.keypoints(version) for version in versions]))
    track = torch.cat(found, dim=1)
    if track.shape[1] < _FEWEST_FRAMES:
        raise DataError(f"{clip.path}: gives one frame; a pair needs two, remove it")
    return track
