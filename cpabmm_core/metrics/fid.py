"""FID: Fréchet distance of the Inception features of all frames of a set."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cpabmm_core.device import resolve_device
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import require_package
from cpabmm_core.metrics.frames import check_frames
from cpabmm_core.metrics.frechet import PairedSums, frechet_distance
from cpabmm_core.metrics.inception import FEATURES, INCEPTION_FILE, load_inception
from cpabmm_core.metrics.video_metric import Frames
from cpabmm_core.models.frozen.weights import find_weights

_BATCH = 16
_COST = "Inception, 96 MB; 0.33 s a pair of 256 x 256 frames on one CPU core"


class Fid:
    """Fréchet inception distance (Heusel et al., NeurIPS 2017): a `SetMetric`.

    Args:
        network: takes (N, 3, H, W) uint8 and gives a tuple of (N, `FEATURES`).
        device: where it runs.
        info: what it is.
        tell: is told, in one line, if there are so few frames that the figure is biased.
    """

    part = "fid"

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
        self._sums = PairedSums.empty(FEATURES)

    def start_video(self, name: str) -> None:
        """Nothing is left unfinished between videos."""

    def update(self, real: Frames, generated: Frames) -> None:
        """Take frames.

        Raises:
            DataError: they differ in number or size.
        """
        check_frames(real, generated)
        self._sums.real.update(self.features(real))
        self._sums.generated.update(self.features(generated))

    def state(self) -> PairedSums:
        """Counts, means and scatters, 67 MB in all."""
        return self._sums

    def merge(self, states: Sequence[PairedSums]) -> None:
        """Replace the own state by these together."""
        sums = PairedSums.empty(FEATURES)
        for state in states:
            sums.merge(state)
        self._sums = sums

    def compute(self) -> float | None:
        """FID of all frames; None, after a line that says so, if there are fewer than two."""
        count = self._sums.real.count
        if count < 2:
            self._tell(f"FID is left out: it needs two frames, got {count}")
            return None
        if count <= FEATURES:
            self._tell(
                f"FID over {count} frames is biased upwards: up to {FEATURES} do not fill the "
                f"{FEATURES} dimensions; compare it only over the same frames"
            )
        return frechet_distance(self._sums.real, self._sums.generated)

    @torch.inference_mode()
    def features(
        self,
        frames: Frames,  # (F, H, W, 3)
    ) -> NDArray[np.float32]:  # (F, FEATURES)
        """Features of the last pooling layer."""
        parts = []
        for start in range(0, len(frames), _BATCH):
            batch = frames[start : start + _BATCH].transpose(0, 3, 1, 2)
            images = torch.as_tensor(np.ascontiguousarray(batch)).to(self._device)
            (features,) = self._network(images)
            parts.append(features.cpu().numpy())
        return np.concatenate(parts)


def open_fid(path: Path | None, request: Request) -> Fid:
    """FID with the weights from `path`, torch's cache, or a download.

    Raises:
        CheckpointError: the file is damaged or of another network.
        ConfigError: torch-fidelity is not installed, or the weights are not at hand.
    """
    require_package("torch_fidelity", "FID", "quality")
    path = find_weights(
        INCEPTION_FILE, path, allow_download=request.allow_download, announce=request.announce
    )
    info = ExtractorInfo(
        name="fid",
        version=f"inception-v3-compat 2048, torch-fidelity {version('torch-fidelity')}",
        weights=file_sha256(path),
        cost=_COST,
    )
    network = load_inception(path)
    return Fid(network, resolve_device(request.device), info, request.announce)
