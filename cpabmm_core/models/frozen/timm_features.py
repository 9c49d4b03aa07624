"""Feature maps of a frozen classifier of timm."""

from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from cpabmm_core.errors import ConfigError
from cpabmm_core.models.frozen.normalise import Normalise
from cpabmm_core.models.frozen.weights import WeightFile, fill, read_weights

_KEY = "losses.perceptual"


class TimmFeatures(nn.Module):
    """The feature maps of all stages of a frozen timm model; gradients reach only the image.

    Args:
        network: a timm model with feature maps of several strides.
        mean: mean colour of its training images, in [0, 1].
        std: standard deviation of their colours.
    """

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.normalise = Normalise(mean, std)
        published: Any = network
        levels: list[dict[str, Any]] = published.feature_info
        self.smallest_side: int = max(level["reduction"] for level in levels)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "TimmFeatures":
        """Stay in eval mode, whatever `mode` is: the network is frozen."""
        return super().train(False)

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
        """Compute the feature maps."""
        network: Any = self.network
        maps: list[Tensor] = network.forward_intermediates(
            self.normalise(image), stop_early=True, intermediates_only=True
        )
        return maps


def timm_file(name: str) -> WeightFile:
    """Return the description of the published weights of a timm model.

    Raises:
        ConfigError: the model is unknown, has no published weights or no feature maps, or accepts
            images of only one size.
    """
    settings = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    if settings is None or not settings.hf_hub_id:
        raise ConfigError(
            f"{_KEY}.network: {name} is not a pretrained model of timm {timm.__version__}; use "
            "vgg19 or, for example, tf_efficientnet_lite0"
        )
    if settings.fixed_input_size:
        raise ConfigError(
            f"{_KEY}.network: {name} accepts images of only one size; use a convolutional model, "
            "for example tf_efficientnet_lite0"
        )
    parameters = sum(tensor.numel() for tensor in _untrained(name).state_dict().values())
    return WeightFile(
        what=f"timm's {name} weights",
        name="model.safetensors",
        source=settings.hf_hub_id,
        megabytes=round(4 * parameters / 1e6),
        key=f"{_KEY}.weights",
        sha256="",
        licence=settings.license,
    )


def load_timm_features(name: str, path: Path) -> TimmFeatures:
    """Read the weights of a timm model, without executing code from the file.

    Some publishers rename the tensors but keep their order. Such a file is accepted if the number
    and the shapes of all tensors agree.

    Args:
        name: timm's name of the model, e.g. ``tf_efficientnet_lite0``.
        path: its weights.

    Raises:
        ConfigError: the model is unknown, or has no feature maps.
        CheckpointError: the file is damaged or belongs to another network.
    """
    file, settings = timm_file(name), timm.get_pretrained_cfg(name)
    assert settings is not None
    network = _untrained(name)
    fill(network, _renamed(read_weights(path, file.what), network), path, file.what)
    return TimmFeatures(network, settings.mean, settings.std)


def _untrained(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # the random weights are overwritten
        network: Any = timm.create_model(name, pretrained=False)
    if not (hasattr(network, "forward_intermediates") and hasattr(network, "feature_info")):
        raise ConfigError(
            f"{_KEY}.network: {name} provides no feature maps; use a convolutional model"
        )
    return network  # type: ignore[no-any-return]


def _renamed(tensors: dict[str, Any], network: nn.Module) -> dict[str, Any]:
    """Rename the tensors to the network's names if their shapes agree in order."""
    wanted = network.state_dict()
    shapes = [getattr(value, "shape", None) for value in tensors.values()]
    if tensors.keys() == wanted.keys() or shapes != [value.shape for value in wanted.values()]:
        return tensors
    return dict(zip(wanted, tensors.values(), strict=True))
