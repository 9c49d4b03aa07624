"""Structure loss: parts of the frames resemble each other alike (Wang et al., 2024, Eqs. 9, 10)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.models.frozen.dino import DinoKeys

Form = Literal["frobenius", "mean_square"]


def self_similarity(
    keys: Tensor,  # (B, T, C)
) -> Tensor:  # (B, T, T) in [-1, 1]
    """Cosine of the angle between each two tokens of an image, in float32 at least."""
    with autocast_off(keys.device):
        unit = F.normalize(keys.to(torch.promote_types(keys.dtype, torch.float32)), dim=-1)
        return unit @ unit.mT


def structure_loss(
    keys_generated: Tensor,  # (B, T, C)
    keys_driving: Tensor,  # (B, T, C)
    form: Form = "frobenius",
) -> Tensor:  # ()
    """Mean over the batch of the distance between the images' self-similarities.

    The driving frame's is a constant. Where both are equal the gradient is 0.

    Args:
        keys_generated: of the frames to judge.
        keys_driving: of the frames that they should be.
        form: ``frobenius``: Frobenius norm of the difference, as the paper writes; ``mean_square``:
            mean of its squares, as the paper's code computes (but adds up over the batch).
    """
    difference = self_similarity(keys_generated) - self_similarity(keys_driving.detach())
    if form == "mean_square":
        return difference.square().mean()
    norms: Tensor = torch.linalg.matrix_norm(difference)
    return norms.mean()


class StructureLoss(nn.Module):
    """`structure_loss` of the frames' DINO keys.

    Args:
        dino: the frozen network.
        form: see `structure_loss`.
    """

    def __init__(self, dino: DinoKeys, form: Form = "frobenius") -> None:
        super().__init__()
        self.dino = dino
        self.form: Form = form

    def forward(
        self,
        generated: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # ()
        """The loss."""
        with torch.no_grad():
            wanted = self.dino(driving)
        return structure_loss(self.dino(generated), wanted, self.form)
