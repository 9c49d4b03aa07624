"""The frozen networks of the perceptual loss, by name."""

from pathlib import Path
from typing import Protocol

from torch import Tensor

from cpabmm_core.models.frozen.timm_features import load_timm_features, timm_file
from cpabmm_core.models.frozen.vgg import VGG19_FILE, load_vgg19
from cpabmm_core.models.frozen.weights import WeightFile

_VGG19 = "vgg19"


class PyramidFeatures(Protocol):
    """A frozen network from images to feature maps."""

    @property
    def smallest_side(self) -> int:
        """Side of the smallest image, in pixels, that leaves every map a pixel."""

    def __call__(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
        """The feature maps."""


def perceptual_file(network: str) -> WeightFile:
    """The published weights of ``vgg19`` (torchvision) or of a timm model.

    Raises:
        ConfigError: there is no such network.
    """
    return VGG19_FILE if network == _VGG19 else timm_file(network)


def load_perceptual(network: str, path: Path) -> PyramidFeatures:
    """Read the weights of a network that `perceptual_file` knows.

    Raises:
        ConfigError: there is no such network.
        CheckpointError: the file is damaged or of another network.
    """
    return load_vgg19(path) if network == _VGG19 else load_timm_features(network, path)
