"""FVD: Fréchet distance of the I3D logits of the clips of a set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cpabmm_core.device import resolve_device
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.frames import check_frames
from cpabmm_core.metrics.frechet import PairedSums, frechet_distance
from cpabmm_core.metrics.i3d import CLASSES, I3D_FILE, SIDE, load_i3d
from cpabmm_core.metrics.video_metric import Frames
from cpabmm_core.models.frozen.weights import find_weights

CLIP: Final = 16
"""Frames of a clip."""
_COST = "I3D, 51 MB; 1.8 s a pair of clips on one CPU core"


@dataclass
class FvdState:
    """What FVD knows of the videos so far."""

    sums: PairedSums = field(default_factory=lambda: PairedSums.empty(CLASSES))
    short: int = 0
    """Videos of fewer frames than a clip has."""

    def merge(self, other: "FvdState") -> None:
        """Add the state of another part of the set."""
        self.sums.merge(other.sums)
        self.short += other.short


class Fvd:
    """Fréchet video distance (Unterthiner et al. 2018): a `SetMetric`.

    Each video gives its consecutive clips of 16 frames, which do not overlap; what is left at its
    end is not used.

    Args:
        network: takes (B, 3, T, 224, 224) in [-1, 1] and gives (B, `CLASSES`).
        device: where it runs.
        info: what it is.
        tell: is told, in one line each, if videos are too short or clips so few that the figure is
            biased.
    """

    part = "fvd"

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        info: ExtractorInfo,
        tell: Callable[[str], None],
    ) -> None:
        self.info: ExtractorInfo | None = info
        self._network = network.to(device)
        self._device = device
        self._tell = tell
        self._state = FvdState()
        self._waiting: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        self._too_short = False  # the video at hand, so far

    def start_video(self, name: str) -> None:
        """Drop the unfinished clip of the last video."""
        self._finish()
        self._too_short = True

    def update(self, real: Frames, generated: Frames) -> None:
        """Take the next frames of the video.

        Raises:
            DataError: they differ in number or size.
        """
        check_frames(real, generated)
        for pair in zip(real, generated, strict=True):
            self._waiting.append(pair)
            if len(self._waiting) == CLIP:
                one, other = (np.stack(frames) for frames in zip(*self._waiting, strict=True))
                self._state.sums.real.update(self.features(one))
                self._state.sums.generated.update(self.features(other))
                self._waiting = []
                self._too_short = False

    def state(self) -> FvdState:
        """Counts, means and scatters; an unfinished clip is dropped."""
        self._finish()
        return self._state

    def merge(self, states: Sequence[FvdState]) -> None:
        """Replace the own state by these together."""
        total = FvdState()
        for state in states:
            total.merge(state)
        self._state = total

    def compute(self) -> float | None:
        """FVD of all clips; None, after a line that says so, if there are fewer than two."""
        count, short = self._state.sums.real.count, self._state.short
        if count < 2:
            self._tell(f"FVD is left out: it needs two clips of {CLIP} frames, got {count}")
            return None
        if short:
            self._tell(f"FVD leaves out {short} videos of fewer than {CLIP} frames")
        if count <= CLASSES:
            self._tell(
                f"FVD over {count} clips is biased upwards: up to {CLASSES} do not fill the "
                f"{CLASSES} dimensions; compare it only over the same clips"
            )
        return frechet_distance(self._state.sums.real, self._state.sums.generated)

    @torch.inference_mode()
    def features(
        self,
        clip: Frames,  # (T, H, W, 3)
    ) -> NDArray[np.float32]:  # (1, CLASSES)
        """Logits of one clip."""
        images = torch.as_tensor(np.ascontiguousarray(clip.transpose(3, 0, 1, 2)))
        resized = resize_as_published(images.to(self._device).float())
        return np.asarray(self._network(resized[None] * (2 / 255) - 1).cpu().numpy())

    def _finish(self) -> None:
        self._state.short += self._too_short
        self._waiting, self._too_short = [], False


def resize_as_published(
    images: Tensor,  # (..., H, W)
) -> Tensor:  # (..., 224, 224)
    """Bilinear, as TensorFlow 1 did: output pixel i lies at i times the ratio of the sides.

    So frames are not centred, and not smoothed when they shrink. The published code of FVD does it,
    and its figures depend on it.
    """
    rows, columns = (_bilinear(size).to(images) for size in images.shape[-2:])
    return rows @ images @ columns.T


def _bilinear(size: int) -> Tensor:  # (224, size)
    places = torch.arange(SIDE, dtype=torch.float64) * (size / SIDE)
    low = places.long()
    share = places - low
    weights = torch.zeros(SIDE, size, dtype=torch.float64)
    weights[torch.arange(SIDE), low] = 1 - share
    weights[torch.arange(SIDE), (low + 1).clamp_max(size - 1)] += share
    return weights


def open_fvd(path: Path | None, request: Request) -> Fvd:
    """FVD with I3D from `path`, torch's cache, or a download.

    Raises:
        CheckpointError: the file is damaged, of another network, or a TorchScript program.
        ConfigError: the weights are not at hand.
    """
    path = find_weights(
        I3D_FILE, path, allow_download=request.allow_download, announce=request.announce
    )
    network = load_i3d(path)
    info = ExtractorInfo(
        name="fvd",
        version=f"i3d logits, clips of {CLIP}",
        weights=file_sha256(path),
        cost=_COST,
    )
    return Fvd(network, resolve_device(request.device), info, request.announce)
