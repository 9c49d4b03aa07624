"""Features of torchvision's VGG-19."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, vgg19

from cpabmm_core.errors import CheckpointError

_LAYERS = (2, 7, 12, 21, 30)
"""Slices of ``vgg19().features`` that end after relu1_1, relu2_1, relu3_1, relu4_1, relu5_1."""


class Vgg19Features(nn.Module):
    """relu1_1 to relu5_1 of a VGG-19, frozen; images in [0, 1] are normalised as ImageNet's."""

    smallest_side = 16

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        network = vgg19(weights=None)
        network.load_state_dict(state)
        layers = list(network.features)
        starts = (0, *_LAYERS[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(*layers[a:b]) for a, b in zip(starts, _LAYERS, strict=True)
        )
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Vgg19Features":
        """Frozen: stays in eval mode."""
        return super().train(False)

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> list[Tensor]:  # fine to coarse, each (B, C_i, h_i, w_i)
        """The five feature maps."""
        x = (image - cast(Tensor, self.mean)) / cast(Tensor, self.std)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def find_vgg19(path: Path | None) -> Path | None:
    """File with the weights: the given one, else the one in torch's cache, else None.

    Raises:
        CheckpointError: a path was given and there is no file.
    """
    if path is not None:
        if not path.is_file():
            raise CheckpointError(
                f"{path}: no such file; give torchvision's VGG-19 weights or none"
            )
        return path
    name = VGG19_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[-1]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    return cached if cached.is_file() else None


def load_vgg19(path: Path) -> Vgg19Features:
    """Read torchvision's VGG-19 weights, without executing anything of the file.

    Raises:
        CheckpointError: the file is damaged or of another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return Vgg19Features(state)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{path}: not torchvision's VGG-19 weights ({reason}); download them again"
        ) from None
