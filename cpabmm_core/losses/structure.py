"""Structure loss: both frames have the same self-similarities (paper, Eqs. 9 and 10)."""

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
    """Return the cosine similarity of each pair of tokens of an image, in float32 or higher.

    Example:
        >>> self_similarity(torch.tensor([[[2.0, 0.0], [0.0, 3.0]]]))
        tensor([[[1., 0.],
                 [0., 1.]]])
    """
    with autocast_off(keys.device):
        unit = F.normalize(keys.to(torch.promote_types(keys.dtype, torch.float32)), dim=-1)
        return unit @ unit.mT


def structure_loss(
    keys_generated: Tensor,  # (B, T, C)
    keys_driving: Tensor,  # (B, T, C)
    form: Form = "frobenius",
) -> Tensor:  # ()
    """Return the mean over the batch of the distance between the self-similarity matrices.

    The driving frame's matrix is a constant. The gradient is 0 where the matrices are equal.

    Args:
        keys_generated: keys of the generated frames.
        keys_driving: keys of the driving frames.
        form: ``frobenius`` is the Frobenius norm of the difference, as in the paper's text;
            ``mean_square`` is the mean of its squared entries, as in the paper's code (which sums
            over the batch instead of averaging).

    Example:
        >>> same, orthogonal = torch.ones(1, 2, 2), torch.eye(2)[None]
        >>> structure_loss(same, orthogonal)
        tensor(1.4142)
        >>> structure_loss(same, orthogonal, form="mean_square")
        tensor(0.5000)
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

    Example:
        >>> class Colours(nn.Module):  # in place of DINO
        ...     def forward(self, images):
        ...         return images.flatten(2).mT
        >>> frame = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> loss = StructureLoss(Colours())
        >>> loss(frame, frame), loss(frame, frame.flip(3)) > 0
        (tensor(0.), tensor(True))
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
        """Return the loss; driving frames are constants."""
        with torch.no_grad():
            target = self.dino(driving)
        return structure_loss(self.dino(generated), target, self.form)
