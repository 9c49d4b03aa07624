"""LPIPS: learned perceptual distance of two frames."""

import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models import AlexNet_Weights

from cpabmm_core.device import resolve_device
from cpabmm_core.errors import DataError
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import require_package
from cpabmm_core.metrics.frames import check_frames
from cpabmm_core.metrics.video_metric import Frames, Tally, VideoSums
from cpabmm_core.models.frozen.weights import WeightFile, fill, find_weights, read_weights

_WHAT = "torchvision's AlexNet weights"
ALEXNET_FILE = WeightFile(
    what=_WHAT,
    name="alexnet-owt-7be5be79.pth",
    source=AlexNet_Weights.IMAGENET1K_V1.url,
    megabytes=244,
    key="weights lpips=PATH",
    sha256="7be5be79",
)
_PREFIX = "features."
_MIN_SIDE = 31
"""The smallest side that leaves one position for the last layer of AlexNet."""
_BATCH = 16
_COST = "AlexNet, 244 MB; 0.04 s a pair of 256 x 256 frames on one CPU core"


class Lpips:
    """Compute LPIPS 0.1 with AlexNet (Zhang et al., CVPR 2018): a `VideoMetric`.

    Args:
        network: the LPIPS network of torchmetrics.
        device: the device on which the network runs.
        info: description of the network.
    """

    role = "lpips"

    def __init__(self, network: nn.Module, device: torch.device, info: ExtractorInfo) -> None:
        self.info: ExtractorInfo | None = info
        self._network = network.to(device)
        self._device = device
        self._values: list[float] = []

    def start_video(self, name: str) -> None:
        """Discard the previous video."""
        self._values = []

    def update(self, real: Frames, generated: Frames) -> None:
        """Add the next frames of the video.

        Raises:
            DataError: the frames differ in number or size, or are too small.
        """
        self._values.extend(self.distances(real, generated).tolist())

    def compute(self) -> VideoSums:
        """Return the sum over the frames."""
        return VideoSums({"lpips": Tally(math.fsum(self._values), len(self._values))})

    @torch.inference_mode()
    def distances(
        self,
        real: Frames,  # (F, H, W, 3)
        generated: Frames,  # (F, H, W, 3)
    ) -> NDArray[np.float64]:  # (F,)
        """Compute LPIPS of each pair of frames.

        Raises:
            DataError: the frames differ in number or size, or are too small.
        """
        check_frames(real, generated)
        height, width = real.shape[1:3]
        if min(height, width) < _MIN_SIDE:
            raise DataError(
                f"frames: {width} x {height} is too small for LPIPS; "
                f"frames need at least {_MIN_SIDE} x {_MIN_SIDE} pixels"
            )
        parts = []
        for start in range(0, len(real), _BATCH):
            rows = slice(start, start + _BATCH)
            one, other = (self._images(frames[rows]) for frames in (real, generated))
            parts.append(self._network(one, other, normalize=True).reshape(-1).double().cpu())
        return np.asarray(torch.cat(parts).numpy())

    def _images(
        self,
        frames: Frames,  # (F, H, W, 3)
    ) -> torch.Tensor:  # (F, 3, H, W) in [0, 1]
        images = torch.as_tensor(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
        return images.to(self._device).float() / 255


def open_lpips(path: Path | None = None, request: Request | None = None) -> Lpips:
    """Open LPIPS with torchvision's AlexNet from `path`, from torch's cache, or from a download.

    Args:
        path: local file of weights; None looks in torch's cache.
        request: device, permission to download, and receiver of status messages.

    Returns:
        A metric for `Evaluation`.

    Raises:
        CheckpointError: the file is damaged or holds another network.
        ConfigError: torchmetrics is not installed, or the weights are missing and not downloaded.
        ResourceError: the device is unavailable, or the disk is full.

    Example:
        >>> from cpabmm_core.metrics.extractors import Request
        >>> metric = open_lpips(request=Request(device="cpu"))  # doctest: +SKIP
    """
    request = request or Request()
    module = require_package("torchmetrics.functional.image.lpips", "LPIPS", "quality")
    path = find_weights(
        ALEXNET_FILE, path, allow_download=request.allow_download, announce=request.announce
    )
    # The public class would download AlexNet. The LPIPS layers themselves ship with torchmetrics.
    network: nn.Module = module._LPIPS(pretrained=True, net="alex", pnet_rand=True)
    backbone = network.get_submodule("net")
    fill(backbone, _rename_to_slices(read_weights(path, _WHAT), backbone), path, _WHAT)
    info = ExtractorInfo(
        name="lpips",
        version=f"0.1, alex, torchmetrics {version('torchmetrics')}",
        weights=file_sha256(path),
        cost=_COST,
    )
    return Lpips(network, resolve_device(request.device), info)


def _rename_to_slices(tensors: dict[str, Any], backbone: nn.Module) -> dict[str, Any]:
    """Rename AlexNet's convolutions to those of the backbone: ``features.3`` to ``slice2.3``."""
    names = {name.partition(".")[2]: name for name in backbone.state_dict()}
    places = {
        name.removeprefix(_PREFIX): value
        for name, value in tensors.items()
        if name.startswith(_PREFIX)
    }
    return {names.get(place, _PREFIX + place): value for place, value in places.items()}
