"""FVD: Fréchet distance of the I3D logits of all clips."""

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
"""Number of frames of a clip."""
_COST = "I3D, 51 MB; 1.8 s a pair of clips on one CPU core"


@dataclass
class FvdState:
    """Running sums over the clips so far."""

    sums: PairedSums = field(default_factory=lambda: PairedSums.empty(CLASSES))
    short: int = 0
    """Number of videos shorter than a clip."""

    def merge(self, other: "FvdState") -> None:
        """Add the state of other videos."""
        self.sums.merge(other.sums)
        self.short += other.short


class Fvd:
    """Compute the Fréchet video distance (Unterthiner et al. 2018): a `SetMetric`.

    Each video contributes its consecutive, non-overlapping clips of 16 frames. Remaining frames at
    its end are not used.

    Args:
        network: maps (B, 3, T, 224, 224) in [-1, 1] to (B, `CLASSES`).
        device: the device on which the network runs.
        info: description of the network.
        announce: receives a status message if videos are too short, or if the value is biased by a
            small number of clips.
    """

    role = "fvd"

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        info: ExtractorInfo,
        announce: Callable[[str], None],
    ) -> None:
        self.info: ExtractorInfo | None = info
        self._network = network.to(device)
        self._device = device
        self._announce = announce
        self._state = FvdState()
        self._pending: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        self._too_short = False  # whether the current video has no clip yet

    def start_video(self, name: str) -> None:
        """Discard the unfinished clip of the previous video."""
        self._finish()
        self._too_short = True

    def update(self, real: Frames, generated: Frames) -> None:
        """Add the next frames of the video.

        Raises:
            DataError: real and generated frames differ in number or size.
        """
        check_frames(real, generated)
        for pair in zip(real, generated, strict=True):
            self._pending.append(pair)
            if len(self._pending) == CLIP:
                one, other = (np.stack(frames) for frames in zip(*self._pending, strict=True))
                self._state.sums.real.update(self.features(one))
                self._state.sums.generated.update(self.features(other))
                self._pending = []
                self._too_short = False

    def state(self) -> FvdState:
        """Return counts, means and scatter matrices; an unfinished clip is discarded."""
        self._finish()
        return self._state

    def merge(self, states: Sequence[FvdState]) -> None:
        """Replace the state by the sum of `states`."""
        total = FvdState()
        for state in states:
            total.merge(state)
        self._state = total

    def compute(self) -> float | None:
        """Return FVD over all clips; None, after a status message, for fewer than two clips."""
        count, short = self._state.sums.real.count, self._state.short
        if count < 2:
            self._announce(f"FVD skipped: it needs two or more clips of {CLIP} frames, got {count}")
            return None
        if short:
            self._announce(f"FVD skips {short} videos shorter than {CLIP} frames")
        if count <= CLASSES:
            self._announce(
                f"FVD of {count} clips is biased upwards (its covariance is singular up to "
                f"{CLASSES} clips); compare it only over the same clips"
            )
        return frechet_distance(self._state.sums.real, self._state.sums.generated)

    @torch.inference_mode()
    def features(
        self,
        clip: Frames,  # (T, H, W, 3)
    ) -> NDArray[np.float32]:  # (1, CLASSES)
        """Compute the logits of one clip."""
        images = torch.as_tensor(np.ascontiguousarray(clip.transpose(3, 0, 1, 2)))
        resized = resize_like_tensorflow(images.to(self._device).float())
        return np.asarray(self._network(resized[None] * (2 / 255) - 1).cpu().numpy())

    def _finish(self) -> None:
        self._state.short += self._too_short
        self._pending, self._too_short = [], False


def resize_like_tensorflow(
    images: Tensor,  # (..., H, W)
) -> Tensor:  # (..., 224, 224)
    """Resize bilinearly as TensorFlow 1: output pixel i samples at i times the ratio of the sides.

    The result is shifted by a fraction of a pixel and is not antialiased. The published code of FVD
    resizes in this way, and its values depend on it.
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


def open_fvd(path: Path | None = None, request: Request | None = None) -> Fvd:
    """Open FVD with the weights of I3D from `path`, from torch's cache, or from a download.

    Args:
        path: local file of weights; None looks in torch's cache.
        request: device, permission to download, and receiver of status messages.

    Returns:
        A metric for `Evaluation`.

    Raises:
        CheckpointError: the file is damaged, holds another network, or is TorchScript.
        ConfigError: the weights are missing and not downloaded.
        ResourceError: the device is unavailable, or the disk is full.

    Example:
        >>> from cpabmm_core.metrics.extractors import Request
        >>> metric = open_fvd(request=Request(device="cpu"))  # doctest: +SKIP
    """
    request = request or Request()
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
