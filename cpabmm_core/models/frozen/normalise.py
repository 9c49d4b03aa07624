"""Normalisation of images for a pretrained network."""

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalise(nn.Module):
    """Subtract a mean colour and divide by a standard deviation; ImageNet's by default."""

    mean: Tensor  # (1, 3, 1, 1)
    std: Tensor  # (1, 3, 1, 1)

    def __init__(
        self, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, 3, H, W)
        """Normalise the images."""
        return (image - self.mean) / self.std
