"""FID: Fréchet distance of the Inception features of all frames."""

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
    """Compute the Fréchet inception distance (Heusel et al., NeurIPS 2017): a `SetMetric`.

    Args:
        network: maps (N, 3, H, W) uint8 to a tuple of one (N, `FEATURES`) tensor.
        device: the device on which the network runs.
        info: description of the network.
        announce: receives a status message if the value is biased by a small number of frames.
    """

    role = "fid"

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
        self._sums = PairedSums.empty(FEATURES)

    def start_video(self, name: str) -> None:
        """Do nothing: frames count independently of their video."""

    def update(self, real: Frames, generated: Frames) -> None:
        """Add frames.

        Raises:
            DataError: real and generated frames differ in number or size.
        """
        check_frames(real, generated)
        self._sums.real.update(self.features(real))
        self._sums.generated.update(self.features(generated))

    def state(self) -> PairedSums:
        """Return counts, means and scatter matrices (67 MB)."""
        return self._sums

    def merge(self, states: Sequence[PairedSums]) -> None:
        """Replace the state by the sum of `states`."""
        sums = PairedSums.empty(FEATURES)
        for state in states:
            sums.merge(state)
        self._sums = sums

    def compute(self) -> float | None:
        """Return FID over all frames; None, after a status message, for fewer than two frames."""
        count = self._sums.real.count
        if count < 2:
            self._announce(f"FID skipped: it needs two or more frames, got {count}")
            return None
        if count <= FEATURES:
            self._announce(
                f"FID of {count} frames is biased upwards (its covariance is singular up to "
                f"{FEATURES} frames); compare it only over the same frames"
            )
        return frechet_distance(self._sums.real, self._sums.generated)

    @torch.inference_mode()
    def features(
        self,
        frames: Frames,  # (F, H, W, 3)
    ) -> NDArray[np.float32]:  # (F, FEATURES)
        """Compute the features of the last pooling layer."""
        parts = []
        for start in range(0, len(frames), _BATCH):
            batch = frames[start : start + _BATCH].transpose(0, 3, 1, 2)
            images = torch.as_tensor(np.ascontiguousarray(batch)).to(self._device)
            (features,) = self._network(images)
            parts.append(features.cpu().numpy())
        return np.concatenate(parts)


def open_fid(path: Path | None = None, request: Request | None = None) -> Fid:
    """Open FID with weights from `path`, from torch's cache, or from a download.

    Args:
        path: local file of weights; None looks in torch's cache.
        request: device, permission to download, and receiver of status messages.

    Returns:
        A metric for `Evaluation`.

    Raises:
        CheckpointError: the file is damaged or holds another network.
        ConfigError: torch-fidelity is not installed, or the weights are missing and not downloaded.
        ResourceError: the device is unavailable, or the disk is full.

    Example:
        >>> from cpabmm_core.metrics.extractors import Request
        >>> metric = open_fid(request=Request(device="cpu"))  # doctest: +SKIP
    """
    request = request or Request()
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
