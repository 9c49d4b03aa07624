"""LPIPS: distance of the features of two frames, weighted as people judge it."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models import AlexNet_Weights

from cpabmm_core.errors import DataError
from cpabmm_core.metrics.extractors.options import require_package
from cpabmm_core.metrics.frames import check_frames
from cpabmm_core.models.frozen.weights import WeightFile, fill, read_weights

ALEXNET_FILE = WeightFile(
    what="torchvision's AlexNet weights",
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


class Lpips:
    """LPIPS 0.1 with AlexNet (Zhang et al., CVPR 2018), of torchmetrics."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network.to(device)
        self._device = device

    @torch.inference_mode()
    def distances(
        self,
        real: NDArray[np.uint8],  # (F, H, W, 3)
        generated: NDArray[np.uint8],  # (F, H, W, 3)
    ) -> NDArray[np.float64]:  # (F,)
        """LPIPS of each pair of frames.

        Raises:
            DataError: the frames differ in number or size, or are too small.
        """
        check_frames(real, generated)
        if min(real.shape[1:3]) < _SMALLEST:
            height, width = real.shape[1:3]
            raise DataError(
                f"frames: LPIPS needs {_SMALLEST} x {_SMALLEST} pixels at least, "
                f"got {width} x {height}; leave it out"
            )
        parts = []
        for start in range(0, len(real), _BATCH):
            one, other = (
                self._images(frames[start : start + _BATCH]) for frames in (real, generated)
            )
            parts.append(self._network(one, other, normalize=True).reshape(-1).double().cpu())
        return np.asarray(torch.cat(parts).numpy())

    def _images(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3)
    ) -> torch.Tensor:  # (F, 3, H, W) in [0, 1]
        images = torch.as_tensor(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
        return images.to(self._device).float() / 255


def load_lpips(
    path: Path,
    device: torch.device,
) -> Lpips:
    """Read torchvision's AlexNet; the weights of the layers come with torchmetrics.

    Raises:
        CheckpointError: the file is damaged or of another network.
        ConfigError: torchmetrics is not installed.
    """
    module = require_package("torchmetrics.functional.image.lpips", "LPIPS", "quality")
    tensors = read_weights(path, ALEXNET_FILE.what)
    # The class behind the public one, which would download AlexNet by itself.
    network = module._LPIPS(pretrained=True, net="alex", pnet_rand=True)
    slices = [name for name in network.net.state_dict() if name.startswith("slice")]
    wanted = {_PREFIX + name.partition(".")[2]: name for name in slices}
    backbone = {
        wanted.get(name, name): value
        for name, value in tensors.items()
        if name.startswith(_PREFIX)
    }
    fill(network.net, backbone, path, ALEXNET_FILE.what)
    return Lpips(network, device)
