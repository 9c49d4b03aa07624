"""Frozen networks for the perceptual loss, by name."""

from pathlib import Path
from typing import Protocol

from torch import Tensor

from cpabmm_core.models.frozen.timm_features import load_timm_features, timm_file
from cpabmm_core.models.frozen.vgg import VGG19_FILE, load_vgg19
from cpabmm_core.models.frozen.weights import WeightFile

_VGG19 = "vgg19"


class PyramidFeatures(Protocol):
    """A frozen network that computes feature maps at several scales."""

    @property
    def smallest_side(self) -> int:
        """The side of the smallest image, in pixels, for which no feature map is empty."""

    def __call__(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
        """Compute the feature maps."""


def perceptual_file(network: str) -> WeightFile:
    """Return the description of the published weights of a network.

    Args:
        network: ``vgg19`` (torchvision's) or a model of timm.

    Raises:
        ConfigError: the network is unknown.
    """
    return VGG19_FILE if network == _VGG19 else timm_file(network)


def load_perceptual(network: str, path: Path) -> PyramidFeatures:
    """Read the weights of a network for the perceptual loss.

    Args:
        network: as for `perceptual_file`.
        path: the file of weights.

    Raises:
        ConfigError: the network is unknown.
        CheckpointError: the file is damaged or belongs to another network.
    """
    return load_vgg19(path) if network == _VGG19 else load_timm_features(network, path)
