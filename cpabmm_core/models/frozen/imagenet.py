"""The normalisation of images that networks trained on ImageNet expect."""

import torch
from torch import Tensor, nn

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class ImageNetNormalise(nn.Module):
    """Subtracts ImageNet's mean colour and divides by its standard deviation."""

    mean: Tensor  # (1, 3, 1, 1)
    std: Tensor  # (1, 3, 1, 1)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, 3, H, W)
        """Normalise the images."""
        return (image - self.mean) / self.std
