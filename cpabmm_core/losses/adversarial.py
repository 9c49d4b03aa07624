"""Adversarial loss: drawn frames should pass for real (FOMM's; least squares, Mao et al., 2017).

Two networks are trained against each other. The discriminator should give 1 for real patches and 0
for drawn ones. The model should draw patches that get 1 and have the features of the real frame.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cpabmm_core.models.discriminator import DiscriminatorOutput


def adversarial_loss(
    realness: Tensor,  # (B, 1, h, w), of drawn frames
) -> Tensor:  # ()
    """The model's loss for drawn frames that do not pass for real: mean of (1 - realness)^2."""
    return (1 - realness).square().mean()


def feature_matching_loss(
    drawn: list[Tensor],  # each (B, C_i, h_i, w_i): the discriminator's features
    real: list[Tensor],  # each (B, C_i, h_i, w_i)
) -> Tensor:  # ()
    """Sum over layers of the mean L1 distance (Wang et al., pix2pixHD, CVPR 2018)."""
    distances = [(a - b).abs().mean() for a, b in zip(drawn, real, strict=True)]
    return torch.stack(distances).sum()


def discriminator_loss(
    discriminator: nn.Module,
    drawn: Tensor,  # (B, 3, H, W) in [0, 1]
    real: Tensor,  # (B, 3, H, W) in [0, 1]
    keypoints: Tensor,  # (B, N, 2 or 6) in [-1, 1], of the real frames
) -> Tensor:  # ()
    """Mean of (1 - realness)^2 over real frames plus mean of realness^2 over drawn ones.

    Drawn frames and keypoints are constants here. Both kinds of frames go through the discriminator
    in one pass, which sees each frame alone: processes in parallel expect one pass for a gradient.
    """
    frames = torch.cat((real, drawn.detach()))
    judgement: DiscriminatorOutput = discriminator(frames, keypoints.detach().repeat(2, 1, 1))
    of_real, of_drawn = judgement.realness.chunk(2)
    return (1 - of_real).square().mean() + of_drawn.square().mean()


class DiscriminatorAsJudge:
    """The discriminator as the model's losses use it: it judges and is not trained.

    It is not a module, so its parameters do not become the objective's: it has its own optimizer.
    """

    def __init__(self, discriminator: nn.Module) -> None:
        self.discriminator = discriminator

    def __call__(
        self,
        drawn: Tensor,  # (B, 3, H, W) in [0, 1]
        real: Tensor,  # (B, 3, H, W) in [0, 1]
        keypoints: Tensor,  # (B, N, 2 or 6) in [-1, 1], of the real frames
    ) -> tuple[Tensor, Tensor]:  # (), ()
        """`adversarial_loss` and `feature_matching_loss`; their gradient goes to `drawn` only."""
        shown = keypoints.detach()
        with _frozen(self.discriminator):
            of_drawn: DiscriminatorOutput = self.discriminator(drawn, shown)
            with torch.no_grad():
                of_real: DiscriminatorOutput = self.discriminator(real, shown)
        matching = feature_matching_loss(of_drawn.features, of_real.features)
        return adversarial_loss(of_drawn.realness), matching


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """What is computed meanwhile has no gradient with respect to the network's parameters."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
