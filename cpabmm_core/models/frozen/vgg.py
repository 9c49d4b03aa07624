"""Features of torchvision's VGG-19."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, vgg19

from cpabmm_core.models.frozen.normalise import Normalise
from cpabmm_core.models.frozen.weights import (
    WeightFile,
    fill,
    read_weights,
)

_LAYERS = (2, 7, 12, 21, 30)
"""Slices of ``vgg19().features`` that end after relu1_1, relu2_1, relu3_1, relu4_1, relu5_1."""
_PREFIX = "features."

VGG19_FILE = WeightFile(
    what="torchvision's VGG-19 weights",
    name="vgg19-dcbb9e9d.pth",
    source=VGG19_Weights.IMAGENET1K_V1.url,
    megabytes=575,
    key="losses.perceptual.weights",
    sha256="dcbb9e9d",
)


class Vgg19Features(nn.Module):
    """relu1_1 to relu5_1 of a frozen VGG-19; images are normalised with ImageNet's statistics.

    Args:
        layers: torchvision's ``vgg19().features``.
    """

    smallest_side = 16

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        starts = (0, *_LAYERS[:-1])
        self.stages = nn.ModuleList(layers[a:b] for a, b in zip(starts, _LAYERS, strict=True))
        self.normalise = Normalise()
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Vgg19Features":
        """Stay in eval mode, whatever `mode` is: the network is frozen."""
        return super().train(False)

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
        """Compute the five feature maps."""
        x = self.normalise(image)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def load_vgg19(path: Path) -> Vgg19Features:
    """Read torchvision's VGG-19 weights, without executing code from the file.

    Raises:
        CheckpointError: the file is damaged or belongs to another network.
    """
    tensors = read_weights(path, VGG19_FILE.what)
    convolutions = {
        name.removeprefix(_PREFIX): value
        for name, value in tensors.items()
        if name.startswith(_PREFIX)
    }
    # This creates neither random weights nor the classifier, which is 90 % of the network.
    with torch.device("meta"):
        layers = vgg19(weights=None).features
    layers.to_empty(device="cpu")
    fill(layers, convolutions, path, VGG19_FILE.what)
    return Vgg19Features(layers)
