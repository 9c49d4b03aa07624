"""The training objective: runs the model on a pair and adds the losses up by their weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cpabmm_core.config import LossesConfig
from cpabmm_core.errors import ConfigError
from cpabmm_core.geometry.tps import random_tps
from cpabmm_core.geometry.warp import warp
from cpabmm_core.losses.background import background_loss
from cpabmm_core.losses.equivariance import equivariance_loss
from cpabmm_core.losses.perceptual import PerceptualLoss
from cpabmm_core.losses.pixel import PixelLoss
from cpabmm_core.losses.warp import warp_loss
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.frozen.vgg import find_vgg19, load_vgg19


@dataclass(frozen=True)
class Outcome:
    """What one forward pass gave."""

    losses: dict[str, Tensor]
    """Each weighted loss by name, and their sum as ``loss``."""
    generated: Tensor  # (B, 3, H, W) in [0, 1]
    motion: Motion
    kp_source: Tensor  # (B, N, 2) in [-1, 1]
    kp_driving: Tensor  # (B, N, 2) in [-1, 1]


class Objective(nn.Module):
    """Model and losses in one module, as data-parallel training needs them.

    Args:
        model: the model to train.
        reconstruction: distance of the generated from the driving frame.
        weights: of the losses; a loss of weight 0 is not computed.
    """

    def __init__(
        self, model: AnimationModel, reconstruction: nn.Module, weights: LossesConfig
    ) -> None:
        super().__init__()
        self.model = model
        self.reconstruction = reconstruction
        self.weights = weights

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
        *,
        dropout: float,
        with_background: bool,
        generator: torch.Generator,
    ) -> Outcome:
        """Reconstruct the driving frame from the source and compare.

        Args:
            source: first frames of the pairs.
            driving: second frames.
            dropout: probability with which a candidate motion is left out.
            with_background: whether the background moves.
            generator: source of all random numbers.
        """
        model, weights = self.model, self.weights
        deformation = random_tps(len(driving), generator=generator, device=driving.device)
        deformed = warp(driving, deformation.flow(*driving.shape[2:]))
        keypoints = model.keypoints(torch.cat([source, driving, deformed])).float()
        kp_source, kp_driving, kp_deformed = keypoints.chunk(3)
        background = model.background(source, driving) if with_background else None
        motion = model.motion(
            source, kp_source, kp_driving, background, dropout=dropout, generator=generator
        )
        features = model.inpainting.encode(source)
        generated = model.generate(source, motion, features)

        losses = {
            "reconstruction": weights.reconstruction * self.reconstruction(generated, driving)
        }
        if weights.warp:
            with torch.no_grad():
                driving_features = model.inpainting.encode(driving)
            losses["warp"] = weights.warp * warp_loss(features, driving_features, motion)
        if weights.equivariance:
            distance = equivariance_loss(kp_driving, kp_deformed, deformation)
            losses["equivariance"] = weights.equivariance * distance
        if background is not None and weights.background:
            losses["background"] = weights.background * self._background(
                background, source, driving
            )
        losses["loss"] = torch.stack(list(losses.values())).sum()
        return Outcome(losses, generated, motion, kp_source, kp_driving)

    def _background(self, there: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        back = self.model.background(driving, source)
        return there.new_zeros(()) if back is None else background_loss(there, back)


def reconstruction_loss(config: LossesConfig) -> tuple[nn.Module, str]:
    """The reconstruction loss that the config asks for, and its name.

    Raises:
        ConfigError: the perceptual loss is asked for and VGG-19's weights are nowhere.
        CheckpointError: the weights cannot be read.
    """
    if config.reconstruction_kind != "pixel":
        path = find_vgg19(config.vgg_weights)
        if path is not None:
            return PerceptualLoss(load_vgg19(path)), "perceptual"
        if config.reconstruction_kind == "perceptual":
            raise ConfigError(
                "losses.reconstruction_kind: the perceptual loss needs torchvision's VGG-19 "
                "weights (vgg19-dcbb9e9d.pth, 548 MB, download.pytorch.org); give their path as "
                "losses.vgg_weights or take pixel"
            )
    return PixelLoss(), "pixel"
