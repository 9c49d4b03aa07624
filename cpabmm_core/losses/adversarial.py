"""Adversarial losses in the least-squares form (Mao et al., ICCV 2017), as in FOMM.

The discriminator is trained to output 1 for real patches and 0 for generated ones. The model is
trained to generate patches that score 1 and whose discriminator features match the real frame's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cpabmm_core.models.discriminator import DiscriminatorOutput


def adversarial_loss(
    realness: Tensor,  # (B, 1, h, w), the discriminator's output for generated frames
) -> Tensor:  # ()
    """Return the model's adversarial loss, the mean of (1 - realness)^2.

    Example:
        >>> adversarial_loss(torch.tensor([[[[1.0, 0.0]]]]))
        tensor(0.5000)
    """
    return (1 - realness).square().mean()


def feature_matching_loss(
    generated: list[Tensor],  # each (B, C_i, h_i, w_i): the discriminator's features
    real: list[Tensor],  # each (B, C_i, h_i, w_i)
) -> Tensor:  # ()
    """Return the sum over layers of the mean L1 distance (Wang et al., pix2pixHD, CVPR 2018).

    Example:
        >>> feature_matching_loss([torch.zeros(1, 2, 4, 4)], [torch.ones(1, 2, 4, 4)])
        tensor(1.)
    """
    distances = [(a - b).abs().mean() for a, b in zip(generated, real, strict=True)]
    return torch.stack(distances).sum()


def discriminator_loss(
    discriminator: nn.Module,
    generated: Tensor,  # (B, 3, H, W) in [0, 1]
    real: Tensor,  # (B, 3, H, W) in [0, 1]
    keypoints: Tensor,  # (B, N, 2 or 6) in [-1, 1], of the real frames
) -> Tensor:  # ()
    """Return the mean of (1 - realness)^2 over real frames plus that of realness^2 over generated.

    Generated frames and keypoints are constants here. Real and generated frames share one forward
    pass, because data-parallel training expects a single forward pass for each backward pass. No
    layer mixes the samples of a batch.

    Args:
        discriminator: returns a `DiscriminatorOutput` for frames and keypoints.
        generated: frames that the model generated.
        real: the driving frames.
        keypoints: the driving keypoints.

    Example:
        >>> from cpabmm_core.config import Config
        >>> from cpabmm_core.models.build import build_discriminator
        >>> frames = torch.rand(2, 3, 64, 64)
        >>> network = build_discriminator(Config())
        >>> discriminator_loss(network, frames, 1 - frames, torch.zeros(2, 50, 2)).shape
        torch.Size([])
    """
    frames = torch.cat((real, generated.detach()))
    output: DiscriminatorOutput = discriminator(frames, keypoints.detach().repeat(2, 1, 1))
    of_real, of_generated = output.realness.chunk(2)
    return (1 - of_real).square().mean() + of_generated.square().mean()


class AdversarialLosses:
    """The two losses of the model against a discriminator, which they do not train.

    This class is not a module, so the discriminator's parameters do not become parameters of the
    objective. They have their own optimizer.

    Args:
        discriminator: returns a `DiscriminatorOutput` for frames and keypoints.

    Example:
        >>> from cpabmm_core.config import Config
        >>> from cpabmm_core.models.build import build_discriminator
        >>> losses = AdversarialLosses(build_discriminator(Config()).eval())
        >>> frames = torch.rand(1, 3, 64, 64)
        >>> adversarial, matching = losses(frames, frames, torch.zeros(1, 50, 2))
        >>> matching.item()  # equal frames have equal features
        0.0
    """

    def __init__(self, discriminator: nn.Module) -> None:
        self.discriminator = discriminator

    def __call__(
        self,
        generated: Tensor,  # (B, 3, H, W) in [0, 1]
        real: Tensor,  # (B, 3, H, W) in [0, 1]
        keypoints: Tensor,  # (B, N, 2 or 6) in [-1, 1], of the real frames
    ) -> tuple[Tensor, Tensor]:  # (), ()
        """Return `adversarial_loss` and `feature_matching_loss`, differentiable in `generated`."""
        keypoints = keypoints.detach()
        with _frozen(self.discriminator):
            of_generated: DiscriminatorOutput = self.discriminator(generated, keypoints)
            with torch.no_grad():
                of_real: DiscriminatorOutput = self.discriminator(real, keypoints)
        matching = feature_matching_loss(of_generated.features, of_real.features)
        return adversarial_loss(of_generated.realness), matching


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Exclude the network's parameters from gradients while the context is active."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
