"""LPIPS: distance of the features of two frames, weighted as people judge it."""

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
_SMALLEST = 31
"""Side that leaves one position for the last of AlexNet's layers."""
_BATCH = 16
_COST = "AlexNet, 244 MB; 0.04 s a pair of 256 x 256 frames on one CPU core"


class Lpips:
    """LPIPS 0.1 with AlexNet (Zhang et al., CVPR 2018), of torchmetrics: a `VideoMetric`."""

    part = "lpips"

    def __init__(self, network: nn.Module, device: torch.device, info: ExtractorInfo) -> None:
        self.info: ExtractorInfo | None = info
        self._network = network.to(device)
        self._device = device
        self._values: list[float] = []

    def start_video(self, name: str) -> None:
        """Forget the last video."""
        self._values = []

    def update(self, real: Frames, generated: Frames) -> None:
        """Take the next frames of the video.

        Raises:
            DataError: they differ in number or size, or are too small.
        """
        self._values.extend(self.distances(real, generated).tolist())

    def compute(self) -> VideoSums:
        """The sum over the frames."""
        return VideoSums({self.part: Tally(math.fsum(self._values), len(self._values))})

    @torch.inference_mode()
    def distances(
        self,
        real: Frames,  # (F, H, W, 3)
        generated: Frames,  # (F, H, W, 3)
    ) -> NDArray[np.float64]:  # (F,)
        """LPIPS of each pair of frames.

        Raises:
            DataError: the frames differ in number or size, or are too small.
        """
        check_frames(real, generated)
        height, width = real.shape[1:3]
        if min(height, width) < _SMALLEST:
            raise DataError(
                f"frames: LPIPS needs {_SMALLEST} x {_SMALLEST} pixels at least, "
                f"got {width} x {height}; leave it out"
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


def open_lpips(path: Path | None, request: Request) -> Lpips:
    """LPIPS with torchvision's AlexNet from `path`, torch's cache, or a download.

    Raises:
        CheckpointError: the file is damaged or of another network.
        ConfigError: torchmetrics is not installed, or the weights are not at hand.
    """
    module = require_package("torchmetrics.functional.image.lpips", "LPIPS", "quality")
    path = find_weights(
        ALEXNET_FILE, path, allow_download=request.allow_download, announce=request.announce
    )
    # The class behind the public one, which would download AlexNet by itself. The weights of its
    # layers come with torchmetrics.
    network: nn.Module = module._LPIPS(pretrained=True, net="alex", pnet_rand=True)
    backbone = network.get_submodule("net")
    fill(backbone, _by_slices(read_weights(path, _WHAT), backbone), path, _WHAT)
    info = ExtractorInfo(
        name="lpips",
        version=f"0.1, alex, torchmetrics {version('torchmetrics')}",
        weights=file_sha256(path),
        cost=_COST,
    )
    return Lpips(network, resolve_device(request.device), info)


def _by_slices(tensors: dict[str, Any], backbone: nn.Module) -> dict[str, Any]:
    """AlexNet's convolutions under the names of the backbone: ``features.3`` is ``slice2.3``."""
    names = {name.partition(".")[2]: name for name in backbone.state_dict()}
    places = {
        name.removeprefix(_PREFIX): value
        for name, value in tensors.items()
        if name.startswith(_PREFIX)
    }
    return {names.get(place, _PREFIX + place): value for place, value in places.items()}
